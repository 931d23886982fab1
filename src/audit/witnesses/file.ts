import { open } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { basename } from 'node:path';
import { readCheckpoints } from '../checkpoint.ts';
import type { Witness } from '../witness.ts';

/** The last checkpoints lie in the last bytes: the file grows for years. */
const TAIL_BYTES = 64 * 1024;

/**
 * A file to which checkpoints are added, one behind the other, an empty line between them. Each is one write that reaches the
 * disk before it counts; what a crash left of one is passed over by readers, and the next begins on a line of its own.
 */
export function makeFileWitness(path: string): Witness {
  return {
    name: `file:${basename(path)}`,

    async last() {
      const file = await open(path, 'r').catch((error: unknown) => {
        if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
        throw error;
      });
      if (!file) return undefined;
      try {
        return readCheckpoints(await tailOf(file)).at(-1);
      } finally {
        await file.close();
      }
    },

    async publish(note) {
      const file = await open(path, 'a', 0o644);
      try {
        await file.appendFile(`\n${note}`);
        await file.datasync();
      } finally {
        await file.close();
      }
    },
  };
}

async function tailOf(file: FileHandle): Promise<string> {
  const { size } = await file.stat();
  const start = Math.max(0, size - TAIL_BYTES);
  const bytes = Buffer.alloc(size - start);
  const { bytesRead } = await file.read(bytes, 0, bytes.length, start);
  return bytes.toString('utf8', 0, bytesRead);
}

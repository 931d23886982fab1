import { createReadStream } from 'node:fs';
import { open } from 'node:fs/promises';

/** Lines of a file, as many at a time as were read at once. What is behind the last newline is no line. */
export async function* readLines(path: string): AsyncGenerator<string[]> {
  let rest = '';
  for await (const chunk of createReadStream(path, { encoding: 'utf8', highWaterMark: 256 * 1024 })) {
    const lines = (rest + String(chunk)).split('\n');
    rest = lines.pop() ?? '';
    if (lines.length > 0) yield lines;
  }
}

const STEP = 64 * 1024;

/** The last whole line of a file, and where what is behind it begins; undefined where there is none. */
export async function lastLine(path: string): Promise<{ readonly text: string; readonly end: number } | undefined> {
  const file = await open(path, 'r');
  try {
    const { size } = await file.stat();
    let tail = Buffer.alloc(0);
    for (let from = size; from > 0;) {
      const length = Math.min(STEP, from);
      from -= length;
      const part = Buffer.alloc(length);
      await file.read(part, 0, length, from);
      tail = Buffer.concat([part, tail]);
      const newline = tail.lastIndexOf('\n');
      const before = newline > 0 ? tail.lastIndexOf('\n', newline - 1) : -1;
      if (newline >= 0 && (before >= 0 || from === 0)) {
        return { text: tail.toString('utf8', before + 1, newline), end: from + newline + 1 };
      }
    }
    return undefined;
  } finally {
    await file.close();
  }
}

import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { parseArchivedEvent, parseArchiveHeader } from './archive.ts';
import type { ArchiveHeader } from './archive.ts';
import { LineTooLong, readLines } from './lines.ts';

/** A month that was put away, as a file. What it holds is not to be trusted before its hashes are looked at. */
export interface ArchiveFile {
  readonly header: ArchiveHeader;
  readonly sha256: string;
  /** In the order of the file, as many at a time as were read at once; undefined for a line that is no event. */
  events(): AsyncGenerator<readonly (ArchivedLeaf | undefined)[]>;
}

export interface ArchivedLeaf {
  readonly leaf: number;
  readonly body: string;
}

/** Undefined for what is no archive. @throws whatever reading a file throws. */
export async function openArchiveFile(path: string): Promise<ArchiveFile | undefined> {
  const digest = createHash('sha256');
  for await (const chunk of createReadStream(path)) digest.update(chunk as Buffer);
  const header = parseArchiveHeader(await firstLine(path));
  if (!header) return undefined;
  return {
    header,
    sha256: digest.digest('hex'),
    async *events() {
      let first = true;
      try {
        for await (const lines of readLines(path)) {
          yield (first ? lines.slice(1) : lines).map(parseArchivedEvent);
          first = false;
        }
      } catch (error) {
        if (!(error instanceof LineTooLong)) throw error;
        yield [undefined]; // no event, nor is what may lie behind it
      }
    },
  };
}

/** Leaves of a file, asked for in rising parts. */
export function makeLeafReader(file: ArchiveFile): (first: number, end: number) => Promise<ArchivedLeaf[]> {
  const parts = file.events();
  const last = file.header.ranges.at(-1)?.end ?? 0;
  let pending: ArchivedLeaf[] = [];
  let isOver = false;
  return async (first, end) => {
    while (!isOver && first < last && (pending.at(-1)?.leaf ?? -1) < end) {
      const part = await parts.next();
      if (part.done) isOver = true;
      else for (const line of part.value) if (line && line.leaf >= first) pending.push(line);
    }
    const taken = pending.filter(({ leaf }) => leaf >= first && leaf < end);
    pending = pending.filter(({ leaf }) => leaf >= end);
    return taken;
  };
}

async function firstLine(path: string): Promise<string | undefined> {
  for await (const [line] of readLines(path)) return line;
  return undefined;
}

import { createReadStream } from 'node:fs';
import { open } from 'node:fs/promises';

/** No line of ours comes near it: an event is bounded by the request that it is of. */
const MAX_LINE = 16 * 1024 * 1024;

/** A file is not what it is said to be: nobody should hold all of it in memory to find that out. */
export class LineTooLong extends Error {
  constructor() {
    super('a line is longer than 16 MiB');
    this.name = 'LineTooLong';
  }
}

/**
 * Lines of a file, as many at a time as were read at once. What is behind the last newline is no line.
 * @throws LineTooLong
 */
export async function* readLines(path: string): AsyncGenerator<string[]> {
  let parts: string[] = [];
  let length = 0;
  for await (const chunk of createReadStream(path, { encoding: 'utf8', highWaterMark: 256 * 1024 })) {
    const [begun = '', ...rest] = String(chunk).split('\n');
    parts.push(begun);
    length += begun.length;
    if (length > MAX_LINE) throw new LineTooLong();
    const last = rest.pop();
    if (last === undefined) continue;
    yield [parts.join(''), ...rest];
    parts = [last];
    length = last.length;
  }
}

const STEP = 64 * 1024;
const NEWLINE = 10;

/** The last whole line of a file, and where what is behind it begins; undefined where there is none, or it is too long. */
export async function lastLine(path: string): Promise<{ readonly text: string; readonly end: number } | undefined> {
  const file = await open(path, 'r');
  try {
    const { size } = await file.stat();
    /** Of the line so far, its end first. */
    const parts: Buffer[] = [];
    let end: number | undefined;
    const least = Math.max(0, size - 2 * MAX_LINE);
    for (let from = size; from > least;) {
      const length = Math.min(STEP, from);
      from -= length;
      let part: Buffer = Buffer.alloc(length);
      await file.read(part, 0, length, from);
      if (end === undefined) {
        const newline = part.lastIndexOf(NEWLINE);
        if (newline < 0) continue;
        end = from + newline + 1;
        part = part.subarray(0, newline);
      }
      const before = part.lastIndexOf(NEWLINE);
      parts.push(part.subarray(before + 1));
      if (before >= 0 || from === 0) return { text: Buffer.concat(parts.reverse()).toString('utf8'), end };
    }
    return undefined;
  } finally {
    await file.close();
  }
}

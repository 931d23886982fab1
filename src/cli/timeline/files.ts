import { createReadStream } from 'node:fs';
import { createGunzip } from 'node:zlib';
import { isJsonObject } from '../../domain/json.ts';
import type { Json, JsonObject } from '../../domain/json.ts';
import { CliError, EXIT } from '../exit.ts';

/** So much of one file is read, unpacked. */
const MAX_BYTES = 512 * 1024 * 1024;

/**
 * The objects of a file of logs: JSON Lines, one object, an array, or an object with `Records` (as CloudTrail delivers them);
 * packed where its first bytes say so. @throws CliError where it cannot be read or is none of these.
 */
export async function readObjects(path: string): Promise<JsonObject[]> {
  const content = await readText(path);
  const whole = parse(content);
  if (whole === undefined) {
    const lines = content.split('\n').filter((line) => line.trim() !== '');
    return lines.map((line, n) => objectOf(parse(line)) ?? fail(path, `line ${n + 1} is not a JSON object`));
  }
  const records = isJsonObject(whole) && Array.isArray(whole['Records']) ? whole['Records'] : whole;
  const list: readonly Json[] = Array.isArray(records) ? records : [records];
  return list.map((each) => objectOf(each) ?? fail(path, 'a record is not a JSON object'));
}

async function readText(path: string): Promise<string> {
  try {
    const chunks: Buffer[] = [];
    let size = 0;
    for await (const chunk of await unpacked(path)) {
      size += chunk.length;
      if (size > MAX_BYTES) fail(path, `is larger than ${MAX_BYTES} bytes`);
      chunks.push(chunk);
    }
    return Buffer.concat(chunks).toString('utf8');
  } catch (error) {
    if (error instanceof CliError) throw error;
    return fail(path, `cannot be read (${(error as NodeJS.ErrnoException).code ?? 'unknown'})`);
  }
}

async function unpacked(path: string): Promise<AsyncIterable<Buffer>> {
  const start = createReadStream(path, { start: 0, end: 1 });
  const first: Buffer[] = [];
  for await (const chunk of start as AsyncIterable<Buffer>) first.push(chunk);
  const packed = Buffer.concat(first).equals(Buffer.from([0x1f, 0x8b]));
  const file = createReadStream(path);
  if (!packed) return file as AsyncIterable<Buffer>;
  const unpack = createGunzip();
  file.on('error', (error) => unpack.destroy(error));
  return file.pipe(unpack) as AsyncIterable<Buffer>;
}

function parse(text: string): Json | undefined {
  try {
    return JSON.parse(text) as Json;
  } catch {
    return undefined;
  }
}

const objectOf = (value: Json | undefined): JsonObject | undefined => (isJsonObject(value) ? value : undefined);

function fail(path: string, problem: string): never {
  throw new CliError('file_unreadable', `${path} ${problem}`, { exit: EXIT.failed });
}

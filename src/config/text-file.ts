import { open } from 'node:fs/promises';

export type TextFile =
  | { readonly ok: true; readonly text: string }
  | { readonly ok: false; readonly line: number; readonly message: string };

/** Reads a file that people write: UTF-8, at most so many bytes, no control characters but tabs and line ends. */
export async function readTextFile(path: string, maxBytes: number): Promise<TextFile> {
  const bytes = await readBounded(path, maxBytes + 1).catch((error: unknown) => errorCode(error));
  if (typeof bytes === 'string') return { ok: false, line: 0, message: `cannot be read (${bytes})` };
  if (bytes.length > maxBytes) return { ok: false, line: 0, message: `is larger than ${maxBytes} bytes` };
  return decode(bytes);
}

function decode(bytes: Uint8Array): TextFile {
  const text = utf8(bytes);
  if (text === undefined) return { ok: false, line: 0, message: 'is not UTF-8 text' };
  const fault = controlCharacter(text);
  return fault === undefined ? { ok: true, text } : { ok: false, ...fault };
}

function utf8(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    return undefined;
  }
}

/** The first control character that has no place in a text that people review. Also why the record can keep the text. */
export function controlCharacter(text: string): { readonly line: number; readonly message: string } | undefined {
  let line = 1;
  for (const char of text) {
    const code = char.codePointAt(0) ?? 0;
    if (char === '\n') line += 1;
    else if ((code < 0x20 && char !== '\t' && char !== '\r') || code === 0x7f || (code >= 0x80 && code < 0xa0)) {
      return { line, message: `has a control character (U+${code.toString(16).toUpperCase().padStart(4, '0')})` };
    }
  }
  return undefined;
}

async function readBounded(path: string, limit: number): Promise<Uint8Array> {
  const file = await open(path);
  try {
    const buffer = Buffer.alloc(limit);
    let length = 0;
    while (length < limit) {
      const { bytesRead } = await file.read(buffer, length, limit - length);
      if (bytesRead === 0) break;
      length += bytesRead;
    }
    return buffer.subarray(0, length);
  } finally {
    await file.close();
  }
}

/** Node's code of a failed system call, such as ENOENT. */
export function errorCode(error: unknown): string {
  const code = typeof error === 'object' && error !== null && 'code' in error ? error.code : undefined;
  return typeof code === 'string' ? code : 'unknown error';
}

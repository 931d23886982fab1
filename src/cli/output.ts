import { CliError, EXIT } from './exit.ts';
import type { TextStream } from './context.ts';

/** Where commands write: results on stdout, everything else on stderr. Each resolves when the stream has taken it. */
export interface Output {
  /** A line for people on stdout; what could steer a terminal is made visible. @throws CliError `output_closed`. */
  line(text: string): Promise<void>;
  /** Exactly this text on stdout. @throws CliError `output_closed`. */
  raw(text: string): Promise<void>;
  /** A line for people on stderr; nobody may be reading. */
  note(text: string): Promise<void>;
  /** Lines on stderr that replace the ones shown before on a terminal; elsewhere only lines that are new are added. */
  progress(lines: readonly string[]): Promise<void>;
}

export function makeOutput(stdout: TextStream, stderr: TextStream): Output {
  // A reader that goes away is reported to the write that notices; without a listener the event would end the process.
  stdout.on('error', () => undefined);
  stderr.on('error', () => undefined);
  let shown: readonly string[] = [];
  const note = (text: string) => write(stderr, text).catch(() => undefined);
  return {
    line: (text) => write(stdout, `${printable(text)}\n`),
    raw: (text) => write(stdout, text),
    note: (text) => note(`${printable(text)}\n`),
    progress: async (lines) => {
      const clean = lines.map(printable);
      const before = shown;
      shown = clean;
      if (stderr.isTTY) {
        const rewind = before.length > 0 ? `\u001b[${before.length}A\u001b[J` : '';
        return note(rewind + clean.map((line) => `${line}\n`).join(''));
      }
      return note(
        clean
          .filter((line) => !before.includes(line))
          .map((line) => `${line}\n`)
          .join(''),
      );
    },
  };
}

function write(stream: TextStream, text: string): Promise<void> {
  return new Promise((resolve, reject) => {
    stream.write(text, (error) => {
      if (error) reject(new CliError('output_closed', 'nobody reads the output any more', { exit: EXIT.failed }));
      else resolve();
    });
  });
}

/** Control and formatting characters as `\u{1b}`: purposes, reasons and ids are chosen by others. */
export function printable(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, (char) => `\\u{${(char.codePointAt(0) ?? 0).toString(16)}}`);
}

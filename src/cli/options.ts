import { InvalidArgumentError, Option } from 'commander';
import { parseDuration } from '../domain/duration.ts';

/** Options that several commands share, and how their values are read. */
export const DEFAULT_CONFIG = 'config';
export const DEFAULT_STATE = '.writ';

export const configOption = () => new Option('--config <dir>', 'the configuration').default(DEFAULT_CONFIG);
export const stateOption = () => new Option('--state <dir>', "the embedded default's state").default(DEFAULT_STATE);
export const urlOption = () => new Option('--url <url>', 'the broker, instead of WRIT_URL');
export const jsonOption = () =>
  new Option('--json', 'for programs: JSON on stdout, errors as one JSON object on stderr');
export const ttlOption = () => new Option('--ttl <duration>', 'how long, such as 90s, 10m or 1h').argParser(duration);

/** Seconds. */
export function duration(text: string): number {
  const seconds = parseDuration(text);
  if (seconds === undefined) throw new InvalidArgumentError('A duration is written as 90s, 10m, 1h or 7d.');
  return seconds;
}

export function wholeNumber(text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw new InvalidArgumentError('It is a whole number.');
  return Number(text);
}

/** Collects `--param k=v`; the value may hold more `=`. A name that is given twice is a mistake. */
export function parameter(
  text: string,
  before: Readonly<Record<string, string>> = {},
): Readonly<Record<string, string>> {
  const at = text.indexOf('=');
  const name = text.slice(0, at);
  if (at < 1) throw new InvalidArgumentError('A parameter is written as name=value.');
  if (Object.hasOwn(before, name)) throw new InvalidArgumentError(`The parameter ${name} is given twice.`);
  return Object.fromEntries([...Object.entries(before), [name, text.slice(at + 1)]]);
}

/** Collects `--param k=v` where a name may have several values. */
export function parameterValues(
  text: string,
  before: Readonly<Record<string, readonly string[]>> = {},
): Readonly<Record<string, readonly string[]>> {
  const at = text.indexOf('=');
  const name = text.slice(0, at);
  if (at < 1) throw new InvalidArgumentError('A parameter is written as name=value.');
  const values = Object.hasOwn(before, name) ? (before[name] ?? []) : [];
  return Object.fromEntries([...Object.entries(before), [name, [...values, text.slice(at + 1)]]]);
}

export function collect(text: string, before: readonly string[] = []): readonly string[] {
  return [...before, text];
}

import { AwsError, invalid, Unsupported } from './errors.ts';

/** The form of one request of the query protocol. */
export interface Form {
  readonly action: string;
  readonly version: string;
  /** All but `Action` and `Version`. */
  readonly params: ReadonlyMap<string, string>;
}

export function parseForm(body: string): Form {
  const params = new Map<string, string>();
  for (const [name, value] of new URLSearchParams(body)) {
    if (params.has(name)) throw new AwsError(400, 'MalformedQueryString', `The parameter ${name} is there twice.`);
    params.set(name, value);
  }
  const action = params.get('Action');
  const version = params.get('Version');
  params.delete('Action');
  params.delete('Version');
  if (action === undefined) throw new AwsError(400, 'MissingAction', 'The request is missing an action.');
  if (version === undefined) throw new AwsError(400, 'MissingParameter', 'The request is missing a version.');
  return { action, version, params };
}

/** A parameter that an action does not read would be ignored, which a test could not see. */
export function requireKnown({ action, params }: Form, names: readonly string[]): void {
  const unknown = [...params.keys()].find((name) => !names.includes(name.split('.')[0] ?? name));
  if (unknown !== undefined) throw new Unsupported(`${action} does not read the parameter ${unknown}`);
}

export interface TextLimits {
  readonly min: number;
  readonly max: number;
  readonly pattern?: RegExp;
}

export function optionalText({ params }: Form, name: string, limits: TextLimits): string | undefined {
  const value = params.get(name);
  if (value !== undefined) checkText(value, name, limits);
  return value;
}

export function text(form: Form, name: string, limits: TextLimits): string {
  const value = optionalText(form, name, limits);
  if (value === undefined) throw violated('null', name, 'Member must not be null');
  return value;
}

export function optionalInteger({ params }: Form, name: string, min: number, max: number): number | undefined {
  const value = params.get(name);
  if (value === undefined) return undefined;
  if (!/^-?\d{1,9}$/u.test(value)) throw new AwsError(400, 'MalformedInput', `${name} is no integer`);
  const number = Number(value);
  if (number < min) throw violated(value, name, `Member must have value greater than or equal to ${min}`);
  if (number > max) throw violated(value, name, `Member must have value less than or equal to ${max}`);
  return number;
}

/** `Name.member.1`, `Name.member.2`, ...; an empty list is written `Name=`. */
export function list(form: Form, name: string): string[] {
  return members(form, name).map((prefix) => {
    const value = form.params.get(prefix);
    if (value === undefined) throw new AwsError(400, 'MalformedInput', `${prefix} is no text`);
    return value;
  });
}

/** `Name.member.1.Key`, ... */
export function structs(form: Form, name: string, keys: readonly string[]): Record<string, string>[] {
  return members(form, name).map((prefix) =>
    Object.fromEntries(
      keys.map((key) => {
        const value = form.params.get(`${prefix}.${key}`);
        if (value === undefined) throw violated('null', `${prefix}.${key}`, 'Member must not be null');
        return [key, value];
      }),
    ),
  );
}

function members({ params }: Form, name: string): string[] {
  const numbers = new Set<number>();
  for (const key of params.keys()) {
    const number = new RegExp(`^${name}\\.member\\.(\\d+)(?:\\.|$)`, 'u').exec(key)?.[1];
    if (number !== undefined) numbers.add(Number(number));
    else if (key.startsWith(`${name}.`)) throw new AwsError(400, 'MalformedInput', `${key} cannot be read`);
  }
  return [...numbers].sort((a, b) => a - b).map((number) => `${name}.member.${number}`);
}

export function checkText(value: string, name: string, { min, max, pattern }: TextLimits): void {
  if (value.length < min) throw violated(value, name, `Member must have length greater than or equal to ${min}`);
  if (value.length > max) throw violated(value, name, `Member must have length less than or equal to ${max}`);
  if (pattern?.test(value) === false) {
    throw violated(value, name, `Member must satisfy regular expression pattern: ${pattern.source.slice(1, -1)}`);
  }
}

export function violated(value: string, name: string, constraint: string): AwsError {
  const member = name.charAt(0).toLowerCase() + name.slice(1);
  const shown = value.length > 100 ? `${value.slice(0, 100)}...` : value;
  return invalid(
    `1 validation error detected: Value '${shown}' at '${member}' failed to satisfy constraint: ${constraint}`,
  );
}

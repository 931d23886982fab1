import { inspect } from 'node:util';

/**
 * A value that must not be written down by accident: it prints, serialises and inspects as `[secret]`. Redaction is by
 * this type and not by the names of members. `reveal` is called where the value crosses to its owner, and nowhere else.
 */
export class Secret<T> {
  readonly #value: T;
  constructor(value: T) {
    this.#value = value;
  }
  reveal(): T {
    return this.#value;
  }
  toString(): string {
    return '[secret]';
  }
  toJSON(): string {
    return '[secret]';
  }
  [inspect.custom](): string {
    return '[secret]';
  }
}

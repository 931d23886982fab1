import { setFlagsFromString } from 'node:v8';

/**
 * Has the process keep what V8 has compiled. As V8 comes, it lets go of the bytecode of a function that was not interpreted during some collections
 * of garbage, and one that runs optimised is not interpreted: after minutes with few callers the next crowd would be answered by code that
 * is compiled and optimised anew (docs/operations.md has what was seen). For the process, and from the next collection on.
 */
export function keepCompiledCode(): void {
  setFlagsFromString('--no-flush-bytecode');
}

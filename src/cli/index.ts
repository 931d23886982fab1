export type { Context, SignalSource, Terminal, TextStream } from './context.ts';
export type { LocalCommands, Redecided, Replayed } from './local.ts';
export { run } from './run.ts';
export { thisProcess, type ProcessInfo } from './self.ts';

export type { Context, SignalSource, Terminal, TextStream } from './context.ts';
export type { LocalCommands } from './local.ts';
export { run } from './run.ts';

export type { Context, SignalSource, Terminal, TextStream } from './context.ts';
export type { ExportOptions, LocalCommands, VerifyOptions } from './local.ts';
export { run } from './run.ts';

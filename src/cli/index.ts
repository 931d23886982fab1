export type { Context, SignalSource, Terminal, TextStream } from './context.ts';
export type { ArchiveOptions, ExportOptions, LocalCommands, Redecided, Replayed, VerifyOptions } from './local.ts';
export { run } from './run.ts';
export { thisProcess, type ProcessInfo } from './self.ts';

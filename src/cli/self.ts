/** The process that the command line runs in, as far as files that it shares with others are concerned. */
export interface ProcessInfo {
  readonly pid: number;
  /** Whose files it makes; `undefined` where the system has no such number. */
  readonly uid: number | undefined;
  /** Whether a process with this number runs here. */
  isAlive(pid: number): boolean;
}

export function thisProcess(): ProcessInfo {
  return { pid: process.pid, uid: process.geteuid?.(), isAlive };
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ESRCH';
  }
}

import { WritError } from '../../src/client/index.ts';

/** The code that a client's call was refused with, or `done`; what is no answer of a broker's is thrown on. */
export async function codeOf(work: Promise<unknown>): Promise<string> {
  try {
    await work;
    return 'done';
  } catch (error) {
    if (error instanceof WritError) return error.code;
    throw error;
  }
}

/**
 * Jest's last line, `N passed, N failed`, on standard output (the report itself goes to standard error). A file that could
 * not be loaded counts as one failed test; a run in which no test ran is an error.
 */
export default class Tally {
  #error;

  onRunComplete(_contexts, results) {
    const passed = results.numPassedTests;
    const failed = results.numFailedTests + results.numRuntimeErrorTestSuites;
    if (passed + failed === 0) this.#error = new Error('no test ran');
    process.stdout.write(`${passed} passed, ${failed} failed\n`);
  }

  getLastError() {
    return this.#error;
  }
}

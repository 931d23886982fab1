/** The suites against real servers: one at a time, since each has its server to itself. */
import base from './jest.js';

export default { ...base, testPathIgnorePatterns: ['/node_modules/'], maxWorkers: 1, testTimeout: 180_000 };

/**
 * `npm run test:live`: the provider contract suites against real servers. VAULT_ADDR (with VAULT_TOKEN, which sets the server up),
 * AWS_ENDPOINT_URL and DATABASE_URL name them; where none of the three is set, those of `docker compose up`. Suites are chosen as
 * files; the last lines say which ran and which were left out.
 */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const SUITES = [
  {
    name: 'postgres',
    variable: 'DATABASE_URL',
    compose: { DATABASE_URL: 'postgres://admin:admin@127.0.0.1:5433/orders' },
  },
  {
    name: 'vault',
    variable: 'VAULT_ADDR',
    compose: { VAULT_ADDR: 'http://127.0.0.1:8200', VAULT_TOKEN: 'writ-development' },
  },
  { name: 'aws', variable: 'AWS_ENDPOINT_URL', compose: { AWS_ENDPOINT_URL: 'http://127.0.0.1:5000' } },
];

const named = SUITES.filter(({ variable }) => (process.env[variable] ?? '') !== '');
const chosen = named.length > 0 ? named : SUITES;
const compose = named.length > 0 ? {} : Object.assign({}, ...SUITES.map((suite) => suite.compose));
const inProject = (path) => fileURLToPath(new URL(`../${path}`, import.meta.url));

const jest = spawnSync(
  process.execPath,
  [
    '--experimental-vm-modules',
    '--no-warnings',
    inProject('node_modules/jest/bin/jest.js'),
    '-c',
    inProject('.config/jest-live.js'),
    ...chosen.map(({ name }) => `test/live/${name}.test.ts`),
  ],
  { cwd: inProject('.'), stdio: 'inherit', env: { ...process.env, ...compose } },
);
const from = ({ variable }) => (named.length > 0 ? variable : 'docker compose');
for (const suite of chosen) console.log(`live: ${suite.name} ran, at what ${from(suite)} names`);
for (const suite of SUITES.filter((each) => !chosen.includes(each)))
  console.log(`live: ${suite.name} was left out: ${suite.variable} is not set`);
process.exitCode = jest.status ?? 1;

import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { listenError, startListening } from '../../src/listening.ts';
import { makeLocalCommands } from '../../src/local-commands.ts';
import { StartError } from '../../src/start-error.ts';
import { makeDatabase } from '../support/database.ts';

/** Where nothing can listen, the start says what is wrong in words of the configuration. */
const server = (host: string, port: number) => ({ host, port, trustedProxies: [] });

/** Something else listens on a port of loopback meanwhile. */
async function onTakenPort(host: string, work: (port: number) => Promise<void>): Promise<void> {
  const other = createServer();
  await new Promise<void>((resolve) => other.listen(0, host, resolve));
  try {
    await work((other.address() as AddressInfo).port);
  } finally {
    await new Promise((resolve) => other.close(resolve));
  }
}

test('a port that is taken', () =>
  onTakenPort('127.0.0.1', async (port) => {
    await expect(startListening(server('127.0.0.1', port))).rejects.toMatchObject({
      name: 'StartError',
      code: 'address_in_use',
      message: expect.stringMatching(new RegExp(`^server\\.port: 127\\.0\\.0\\.1:${port} is taken: `)),
      cause: { code: 'EADDRINUSE' },
    });
  }));

test('an address of another machine', async () => {
  // 192.0.2.0/24 is nobody's (RFC 5737)
  await expect(startListening(server('192.0.2.1', 0))).rejects.toMatchObject({
    name: 'StartError',
    code: 'address_not_here',
    message: expect.stringMatching(/^server\.host: 192\.0\.2\.1:0 is no address of this machine: /),
  });
});

test.each([
  ['EADDRINUSE', 'address_in_use', 'server.port: [::1]:80 '],
  ['EACCES', 'address_not_allowed', 'server.port: this user may not listen on [::1]:80: '],
  ['EADDRNOTAVAIL', 'address_not_here', 'server.host: [::1]:80 '],
  ['EAFNOSUPPORT', 'address_not_here', 'server.host: [::1]:80 '],
  ['ENOTFOUND', 'address_not_here', 'server.host: [::1]:80 '],
])('%s of the system is %s', (system, code, begins) => {
  const error = listenError(Object.assign(new Error('listen'), { code: system }), '::1', 80);
  expect(error).toBeInstanceOf(StartError);
  expect(error).toMatchObject({ code, message: expect.stringContaining(begins), cause: { code: system } });
});

test('anything else stays what it is', () => {
  const error = Object.assign(new Error('listen EMFILE'), { code: 'EMFILE' });
  expect(listenError(error, '::1', 80)).toBe(error);
});

test('`writ serve` says it in one line, under its code', async () => {
  const database = await makeDatabase();
  const config = await mkdtemp(join(tmpdir(), 'writ-listen-'));
  try {
    await onTakenPort('127.0.0.1', async (port) => {
      await writeFile(
        join(config, 'writ.yaml'),
        `server: { port: ${port} }\nkeys: { encryption: [{ id: kek-1, key: "${Buffer.alloc(32, 7).toString('base64')}" }] }\n`,
      );
      const said: string[] = [];
      const env = { DATABASE_URL: database.brokerUrl, WRIT_LOG_LEVEL: 'silent' };
      const say = (line: string) => void said.push(line);
      const commands = makeLocalCommands({ env, print: say, printError: say });
      expect(await commands.serve({ config })).toBe(1);
      expect(said).toEqual([
        `writ: address_in_use: server.port: 127.0.0.1:${port} is taken: stop what listens there, or give another port (0: a free one)`,
      ]);
    });
  } finally {
    await rm(config, { recursive: true });
    await database.drop();
  }
});

/**
 * The tests' own Vault in a process of its own, set up as its page says. Each line `{"delay_ms"}` sets what every call takes longer, and
 * has it forget the tokens and entities that it has made: it looks through all that there are, which no server does.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { adminOf, setUp } from '../providers/vault-setup.ts';
import { makeServer, openDoor } from '../support/vault/index.ts';
import { answerWith } from './helper-process.ts';

const server = makeServer(() => Date.now());
let delayMs = 0;
const door = await openDoor({
  now: server.now,
  async respond(request) {
    if (delayMs > 0) await sleep(delayMs);
    return server.respond(request);
  },
});
const admin = adminOf(door.url, server.rootToken());
await admin.call('POST', 'sys/auth/approle', { type: 'approle' });

export interface FakeVaultReady {
  readonly url: string;
  readonly roleId: string;
  readonly secretId: string;
}
const ready: FakeVaultReady = { url: door.url, ...(await setUp(admin)) };

await answerWith(ready, (question) => {
  delayMs = (question as { delay_ms: number }).delay_ms;
  const { tokens, entities } = server.state();
  for (const [id, { meta }] of tokens) if (meta?.['writ_mint'] !== undefined) tokens.delete(id);
  entities.clear();
  return Promise.resolve({});
});
await door.close();

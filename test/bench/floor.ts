/**
 * The floor: what an issuance cannot do without, and nothing more. One verify, one decision, the broker's own two SQL calls, one sign; no
 * HTTP. argv: a JSON of what is needed; each line of the input, `{"callers", "count"}`, is answered with one of figures. With
 * `"call"` a provider's own calls stand in place of the signing, in its order; with `"alone"` beside it, nothing else is done. The same
 * work is also served over HTTP, with `"call"` in the body, at the `url` that the first line says.
 */
import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { createLocalJWKSet, generateKeyPair, jwtVerify, SignJWT } from 'jose';
import { readRules } from '../../src/config/index.ts';
import { makeIds } from '../../src/domain/ids.ts';
import { connect } from '../../src/ledger/connection.ts';
import type { OpenGrant, Opened } from '../../src/ledger/issuing.ts';
import { makeGenerations } from '../../src/ledger/generations.ts';
import type { PolicyRequest } from '../../src/policy/index.ts';
import { makeRulesTools } from '../../src/rules-tools.ts';
import { makeCalls, TTL_SECONDS } from './direct.ts';
import type { Call, CallKind, DirectInput } from './direct.ts';
import { answerWith, inputOf } from './helper-process.ts';
import { measure } from './measure.ts';
import { serve } from './served.ts';

const { ledgerUrl, bundleFile, token, rulesDirectory, direct } = inputOf() as FloorInput;
export interface FloorInput {
  ledgerUrl: string;
  bundleFile: string;
  token: string;
  rulesDirectory: string;
  direct?: DirectInput;
}

const { keys } = JSON.parse(await readFile(bundleFile, 'utf8')) as { keys: Record<string, unknown>[] };
const jwks = createLocalJWKSet({ keys: keys.map((key) => ({ ...key, kty: 'EC', use: 'sig' })) });
const { privateKey } = await generateKeyPair('ES256');
const providers = [
  { name: 'tools', kind: 'jwt', on: true },
  { name: 'orders-db', kind: 'postgres', on: true },
  { name: 'aws-main', kind: 'aws', on: false },
  { name: 'vault-main', kind: 'vault', on: false },
];
const rules = makeRulesTools(providers).compile(await readRules(rulesDirectory));
const ledger = connect({ url: ledgerUrl });
const generation = await makeGenerations(ledger).active();
const ids = makeIds(randomBytes, Date.now);

async function issue(credential: Call): Promise<void> {
  const { payload } = await jwtVerify(token, jwks, {
    audience: 'writ-bench',
    algorithms: ['ES256'],
    requiredClaims: ['exp'],
  });
  const now = new Date();
  const endsAt = new Date(now.getTime() + TTL_SECONDS * 1_000);
  const id = payload.sub ?? '';
  const inputs: PolicyRequest = {
    principal: { trust: 'dev', id, groups: [], attributes: {} },
    action: 'issue',
    resource: {
      profile: 'tools-refund-read',
      provider: 'tools',
      owner: 'payments',
      environment: 'development',
      effect: 'read',
    },
    context: {
      task: { purpose: 'bench', mode: 'autonomous', environment: 'development', implicit: true },
      parameters: {},
      requestedTtl: TTL_SECONDS,
      now: '2026-01-01T00:00:00Z',
    },
  };
  const { outcome, policies } = rules.policies.decide(inputs);
  const [grant, mint, task] = [ids.grant(), ids.mint(), ids.task()];
  const decision = {
    id: ids.decision(),
    action: 'issue',
    generation: generation?.number ?? 0,
    rules_hash: rules.hash,
    trust: 'dev',
    subject: id,
  };
  const opening: OpenGrant = {
    decision: {
      ...decision,
      resource: 'tools-refund-read',
      outcome,
      code: null,
      policies,
      controls: [],
      errors: [],
      inputs: { ...inputs },
      origin: null,
    },
    task: {
      id: task,
      purpose: 'bench',
      mode: 'autonomous',
      environment: 'development',
      on_behalf_of: null,
      principal: null,
      chain: [],
      ends_at: null,
      there: false,
    },
    approval: null,
    grant: {
      id: grant,
      profile: 'tools-refund-read',
      provider: 'tools',
      owner: 'payments',
      environment: 'development',
      effect: 'read',
      parameters: {},
      ttl_seconds: TTL_SECONDS,
      ttl_decided_by: 'profile_default',
      expires_at: endsAt.toISOString(),
      revocability: { mode: 'immediate' },
    },
    mint: { id: mint, request: { jti: mint }, deadline_seconds: 15 },
    origin: null,
    idempotency: null,
  };
  const { epoch } = await ledger.transition<Opened>('open_grant', opening);
  const confirm = await credential();
  const expires_at = endsAt.toISOString();
  await ledger.transition('activate_mint', { mint, epoch, handle: { jti: mint }, expires_at, origin: null });
  await confirm?.();
}

const sign: Call = async () => {
  await new SignJWT({ sub: 'agent', aud: 'https://tools.example', jti: ids.mint(), scope: 'refund:read' })
    .setProtectedHeader({ alg: 'ES256', typ: 'at+jwt' })
    .setExpirationTime(new Date(Date.now() + TTL_SECONDS * 1_000))
    .sign(privateKey);
};

export interface FloorAsked {
  readonly callers: number;
  readonly count: number;
  readonly call?: CallKind;
  readonly alone?: boolean;
  readonly perSecond?: number;
}
const calls = direct && (await makeCalls(direct));
const credentialOf = (call: CallKind | undefined) => (call && calls?.[call]) ?? sign;
const url = await serve((asked) => issue(credentialOf((asked as Pick<FloorAsked, 'call'>).call)));
await answerWith({ url }, (question) => {
  const { callers, count, call, alone, perSecond } = question as FloorAsked;
  const credential = credentialOf(call);
  const work = async () => {
    if (!alone) return issue(credential);
    const confirm = await credential();
    await confirm?.();
  };
  return measure(callers, count, work, perSecond);
});
await ledger.close();
process.exit(); // idle connections would keep it

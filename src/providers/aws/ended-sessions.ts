import type { EndedMint, ProviderRecord } from '../provider.ts';
import type { Wanted } from './boundary-writer.ts';
import type { EndedSession } from './deny-entries.ts';
import { fitsByName, renderDenials } from './deny-list.ts';
import type { Denials } from './denials.ts';

/** Of a plan's request. */
const MEMBERS = ['mode', 'account', 'role_arn', 'session_name', 'source_identity'];

export interface Rendering {
  readonly record: ProviderRecord;
  readonly account: string;
  readonly fence: boolean;
}

/** What one account's boundary is to deny by what the ledger says now. */
export async function renderAccount(
  { record, account, fence }: Rendering,
  now: Denials,
  room: number,
): Promise<Wanted> {
  const { at, mints } = await record.endedEarly(MEMBERS);
  const ended = mints.flatMap((mint) => sessionOf(mint, account) ?? []);
  const sessions = ended.filter(({ grantGoesOn, shared }) => !(grantGoesOn && shared));
  const living = fitsByName(ended, room)
    ? NOBODY
    : {
        identities: await record.livingBy('source_identity'),
        roles: await record.livingBy('role_arn'),
        all: (await record.livingBy('account')).get(account),
      };
  return { ...renderDenials({ ended, ...living, at, room, fence, now }), at, sessions };
}

const NOBODY = { identities: new Map(), roles: new Map(), all: undefined };

function sessionOf(mint: EndedMint, account: string): EndedSession | undefined {
  const { mode, account: whose, role_arn: role, session_name: planned, source_identity: identity } = mint.request;
  const name = mint.handle?.['session_name'] ?? planned;
  if (whose !== account || typeof role !== 'string' || typeof name !== 'string') return undefined;
  return {
    grant: mint.grant,
    name,
    identity: typeof identity === 'string' ? identity : undefined,
    role,
    issuedBefore: mint.mintedBefore,
    endsAt: mint.endsAt,
    grantGoesOn: mint.grantGoesOn,
    shared: mode === 'child',
    confirmed: mint.confirmed,
  };
}

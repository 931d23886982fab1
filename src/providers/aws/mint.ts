import type { Clock } from '../../domain/clock.ts';
import { ProviderError } from '../../domain/errors.ts';
import type { JsonObject } from '../../domain/json.ts';
import { Secret } from '../../domain/secret.ts';
import type { Minted } from '../provider.ts';
import { openChild, openSession, type Opened } from './assume.ts';
import type { Pace } from './call.ts';
import type { Clients } from './clients.ts';
import { asProviderError } from './errors.ts';
import type { Known } from './known.ts';
import { grantOf } from './names.ts';
import type { Parents } from './parents.ts';
import { refused, type AwsRequest } from './plan.ts';

/** What a session has to live longer than a child that is asked of it: the child is readied before its intent is on record, and asked for after. */
const CHILD_ROOM_MS = 30_000;

export interface Minting {
  readonly clients: Clients;
  readonly known: Known;
  readonly parents: Parents;
  readonly clock: Clock;
}

/** A session of the role, or a child of the grant's own session, within the caller's time for all of it; held against the plan. */
export async function mintSession(minting: Minting, request: AwsRequest, pace: Pace): Promise<Minted> {
  const opened = await open(minting, request, pace);
  const planned = new Date(request.ends_at);
  const { keys } = opened;
  const expiresAt = keys.expiration < planned ? keys.expiration : planned;
  return {
    credential: new Secret({
      type: 'aws',
      access_key_id: keys.accessKeyId,
      secret_access_key: keys.secretAccessKey,
      session_token: keys.sessionToken,
      region: request.region,
      expiration: expiresAt.toISOString(),
    }),
    handle: handleOf(opened, minting.clock.now()),
    expiresAt,
  };
}

/** What CloudTrail shows of the session, and what denying it goes by: the name is that of the session that it is a child of. */
function handleOf({ keys, id, arn, usage }: Opened, answeredAt: Date): JsonObject {
  return {
    session_name: id.slice(id.indexOf(':') + 1),
    assumed_role_id: id,
    session_arn: arn,
    access_key_id: keys.accessKeyId,
    answered_at: answeredAt.toISOString(),
    ...usage,
  };
}

function open(minting: Minting, request: AwsRequest, pace: Pace): Promise<Opened> {
  if (request.child) return childOf(minting, request, pace);
  return openSession(minting.clients.sts(request.region), request.assume_role, minting.clock, pace);
}

async function childOf(minting: Minting, request: AwsRequest, pace: Pace): Promise<Opened> {
  const { clients, known, parents, clock } = minting;
  const { region, assume_role: asked } = request;
  const grant = grantOf(request.session_name);
  if (!grant || !request.child) throw refused('plan_of_another_set_up');
  const until = new Date(clock.now().getTime() + request.child.DurationSeconds * 1000 + CHILD_ROOM_MS);
  const make = (parent: Opened) =>
    openChild(clients.as(parent.keys, clients.sts(region)), parent, request, clock, pace);

  const ofAnother = async () => {
    parents.drop(grant);
    const parent = await openSession(clients.sts(region), asked, clock, pace);
    try {
      const child = await make(parent);
      parents.keep(grant, asked, parent);
      return child;
    } catch (error) {
      // Nobody has the parent any more, and it was never handed out.
      if (error instanceof ProviderError && error.facts['finding'] === 'not_offered') known.noteScoped(false);
      throw error;
    }
  };

  const kept = parents.find(grant, asked, until);
  if (!kept) return ofAnother();
  try {
    return await make(kept);
  } catch (error) {
    if (!isRefused(error)) throw error;
    // What an attempt may have left of the first one is not undone by what becomes of the other.
    return await ofAnother().catch((later: unknown) => {
      throw error.nothingLives ? later : asProviderError(later, false);
    });
  }
}

/**
 * The session that was kept ends sooner than it said, has ended, or has too little left for what is asked. Which names of errors endpoints have
 * for that is known of some only, so that any refusal is taken for it.
 */
function isRefused(error: unknown): error is ProviderError {
  return error instanceof ProviderError && error.code === 'provider_refused';
}

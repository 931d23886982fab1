import { Fault } from '../../domain/errors.ts';
import type { AttesterDeps, UnverifiedToken } from '../attester.ts';
import { invalid, textsAt } from '../claims.ts';
import type { Confirmed } from '../judge.ts';
import type { SourceStatus } from '../keys/source.ts';
import { isObject } from '../strict-json.ts';
import type { Workload } from '../workload.ts';

export interface TokenReviewConfig {
  /** The API server. */
  readonly url: string;
  /** The broker's own token, which needs `system:auth-delegator`. */
  readonly token_file: string;
  readonly ca_file?: string | undefined;
}

export interface TokenReview {
  readonly confirm: (token: UnverifiedToken, subject: Workload) => Promise<Confirmed<Workload>>;
  readonly status: () => SourceStatus;
}

/** How long a yes counts: as long as a deleted pod may go on. A no is never kept. */
const CONFIRMED_SECONDS = 10;

/** What the cluster says of the token's owner, in the reviewed user's `extra`. */
const EXTRA = {
  pod: '/authentication.kubernetes.io~1pod-name/0',
  pod_uid: '/authentication.kubernetes.io~1pod-uid/0',
  node: '/authentication.kubernetes.io~1node-name/0',
  node_uid: '/authentication.kubernetes.io~1node-uid/0',
};

/** Asks the cluster whether a token is good now (authentication.k8s.io/v1 TokenReview). */
export function makeTokenReview(
  config: TokenReviewConfig,
  deps: Pick<AttesterDeps, 'audience' | 'outbound' | 'readFile'>,
): TokenReview {
  const url = `${config.url.replace(/\/$/, '')}/apis/authentication.k8s.io/v1/tokenreviews`;
  let lastError: string | undefined;

  async function ask(token: string): Promise<Record<string, unknown>> {
    const own = (await deps.readFile(config.token_file)).trim();
    const response = await deps.outbound(url, {
      method: 'POST',
      headers: { authorization: `Bearer ${own}`, accept: 'application/json', 'content-type': 'application/json' },
      body: JSON.stringify({
        apiVersion: 'authentication.k8s.io/v1',
        kind: 'TokenReview',
        spec: { token, audiences: [deps.audience] },
      }),
      ...(config.ca_file === undefined ? {} : { ca: await deps.readFile(config.ca_file) }),
    });
    if (response.status !== 201 && response.status !== 200) throw new Error(`token review answered ${response.status}`);
    const answer: unknown = JSON.parse(response.text);
    const status = isObject(answer) ? answer['status'] : undefined;
    if (!isObject(status)) throw new Error('token review answered without a status');
    return status;
  }

  return {
    async confirm(token, subject) {
      let status: Record<string, unknown>;
      try {
        status = await ask(token.raw);
        lastError = undefined;
      } catch (error) {
        lastError =
          error instanceof SyntaxError || !(error instanceof Error) ? 'token review answered no JSON' : error.message;
        throw new Fault('evidence_source_unavailable', { cause: new Error(lastError) });
      }
      return { subject: reviewed(status, subject, deps.audience), seconds: CONFIRMED_SECONDS };
    },
    status: () => ({ healthy: lastError === undefined, ...(lastError === undefined ? {} : { lastError }) }),
  };
}

/** The cluster's word replaces the token's, on which it must agree. @throws Refusal `evidence_invalid`. */
function reviewed(status: Record<string, unknown>, subject: Workload, audience: string): Workload {
  const { authenticated, audiences, user } = status;
  if (authenticated !== true || !isObject(user)) throw invalid('the cluster does not know the token');
  // A server that does not know audiences leaves them out: then nobody has checked them (TokenReviewSpec.audiences).
  if (!Array.isArray(audiences) || !audiences.includes(audience))
    throw invalid('the cluster did not confirm the audience');
  if (user['username'] !== subject.id) throw invalid('the cluster names another service account');
  const { namespace = '', service_account = '', service_account_uid } = subject.attributes;
  if (service_account_uid !== undefined && user['uid'] !== service_account_uid) {
    throw invalid('the service account was made anew since');
  }
  const extra = isObject(user['extra']) ? user['extra'] : {};
  return {
    ...subject,
    attributes: {
      namespace,
      service_account,
      ...textsAt(user, { service_account_uid: 'uid' }),
      ...textsAt(extra, EXTRA),
    },
  };
}

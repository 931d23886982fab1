import { ProviderError, type ProviderErrorCode } from '../../domain/errors.ts';

interface Kind {
  readonly code: ProviderErrorCode;
  readonly finding?: string;
}

const DENIED: Kind = { code: 'provider_refused', finding: 'access_denied' };
const LOGIN: Kind = { code: 'provider_refused', finding: 'broker_credentials' };
const REQUEST: Kind = { code: 'provider_refused', finding: 'invalid_request' };
const NOT_OFFERED: Kind = { code: 'provider_refused', finding: 'not_offered' };
const BUSY: Kind = { code: 'provider_throttled' };
const AWAY: Kind = { code: 'provider_unreachable' };
const SLOW: Kind = { code: 'provider_timeout' };

/** By the name that AWS gives its errors, or the SDK its own. Names are never matched in part, and texts not at all. */
const KINDS: Readonly<Record<string, Kind>> = {
  AccessDenied: DENIED,
  AccessDeniedException: DENIED,
  ExpiredToken: LOGIN,
  ExpiredTokenException: LOGIN,
  InvalidClientTokenId: LOGIN,
  UnrecognizedClientException: LOGIN,
  SignatureDoesNotMatch: LOGIN,
  InvalidSignatureException: LOGIN,
  IncompleteSignature: LOGIN,
  MissingAuthenticationToken: LOGIN,
  InvalidIdentityTokenException: LOGIN,
  IDPRejectedClaimException: LOGIN,
  CredentialsProviderError: { code: 'provider_refused', finding: 'no_credentials' },
  RegionDisabledException: { code: 'provider_refused', finding: 'region_disabled' },
  PackedPolicyTooLargeException: { code: 'provider_limit', finding: 'session_token_full' },
  MalformedPolicyDocumentException: { code: 'provider_refused', finding: 'policy_malformed' },
  ValidationError: REQUEST,
  InvalidParameterValue: REQUEST,
  InvalidInputException: REQUEST,
  NoSuchEntityException: { code: 'provider_refused', finding: 'no_such_entity' },
  LimitExceededException: { code: 'provider_refused', finding: 'limit_exceeded' },
  InvalidAction: NOT_OFFERED,
  UnknownOperationException: NOT_OFFERED,
  InsufficientSessionLifetimeException: { code: 'provider_refused', finding: 'session_over' },
  InvalidSubjectCredentialsException: { code: 'provider_refused', finding: 'session_over' },
  Throttling: BUSY,
  ThrottlingException: BUSY,
  ThrottledException: BUSY,
  RequestLimitExceeded: BUSY,
  RequestThrottled: BUSY,
  RequestThrottledException: BUSY,
  TooManyRequestsException: BUSY,
  SlowDown: BUSY,
  ConcurrentModificationException: BUSY,
  ServiceFailureException: AWAY,
  IDPCommunicationErrorException: AWAY,
  TimeoutError: SLOW,
  AbortError: SLOW,
  RequestTimeout: SLOW,
};

/** Nothing was sent: the connection never came to be. */
const NEVER_SENT = new Set(['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'EHOSTUNREACH', 'ENETUNREACH']);

/** What this module reads of an error of the SDK, whose classes are many. */
interface SdkError {
  readonly name?: unknown;
  readonly code?: unknown;
  readonly $metadata?: { readonly httpStatusCode?: number };
}

/** What went wrong at AWS, by a code and the error's name; its text stays in the cause. */
export function asProviderError(error: unknown, nothingLives: boolean): ProviderError {
  if (error instanceof ProviderError) {
    return error.nothingLives === nothingLives ? error : again(error, nothingLives);
  }
  const name = nameOf(error);
  const { code, finding } = kindOf(name, statusOf(error));
  const facts = { ...(finding !== undefined && { finding }), ...(statusOf(error) !== undefined && { aws: name }) };
  return new ProviderError(code, { nothingLives, facts, cause: error });
}

function again({ code, facts, cause }: ProviderError, nothingLives: boolean): ProviderError {
  return new ProviderError(code, { nothingLives, facts, cause });
}

/** What no name tells is told by the status of the answer, where there was one. */
function kindOf(name: string, status: number | undefined): Kind {
  if (Object.hasOwn(KINDS, name)) return KINDS[name] ?? AWAY;
  if (status === undefined) return AWAY;
  if (status === 429) return BUSY;
  if (status >= 500) return AWAY;
  return status >= 400 ? { code: 'provider_refused', finding: 'refused' } : { code: 'provider_answer_wrong' };
}

/** Whether what failed so has certainly not come to be: it was refused, or never arrived. */
export function leavesNothing(error: unknown): boolean {
  const status = statusOf(error);
  if (status !== undefined) return status >= 400 && status < 500;
  const { code } = (error ?? {}) as SdkError;
  return typeof code === 'string' && NEVER_SENT.has(code);
}

/** The status of one who does not know such a call; of one who knows it, it is a failure like others. */
export function isNotImplemented({ cause }: ProviderError): boolean {
  return statusOf(cause) === 501;
}

/** For people: the name that AWS gives it, or our own code. */
export function whyOf(error: unknown): string {
  if (!(error instanceof ProviderError)) return 'unknown';
  const { aws, finding } = error.facts;
  return [aws, finding, error.code].find((each) => typeof each === 'string') ?? error.code;
}

export function nameOf(error: unknown): string {
  const { name } = (error ?? {}) as SdkError;
  return typeof name === 'string' && /^\w{1,80}$/.test(name) ? name : 'unknown';
}

function statusOf(error: unknown): number | undefined {
  return ((error ?? {}) as SdkError).$metadata?.httpStatusCode;
}

/** A refusal as the service words it: status, `Code` and `Message` of the answer. */
export class AwsError extends Error {
  override readonly name = 'AwsError';
  readonly status: number;
  readonly code: string;

  constructor(status: number, code: string, message: string) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

/**
 * What this fake cannot judge as AWS would: a condition key that it does not know, a parameter that it would ignore. Never
 * passed over in silence; where it came in over the wire, `close` throws it.
 */
export class Unsupported extends Error {
  override readonly name = 'Unsupported';
}

export const invalid = (message: string) => new AwsError(400, 'ValidationError', message);
export const malformedPolicy = (message: string) => new AwsError(400, 'MalformedPolicyDocument', message);
export const noSuchEntity = (message: string) => new AwsError(404, 'NoSuchEntity', message);

export function accessDenied(who: string, action: string, resource: string, why: string): AwsError {
  return new AwsError(
    403,
    'AccessDenied',
    `User: ${who} is not authorized to perform: ${action} on resource: ${resource} ${why}`,
  );
}

import { defaultPolicy, sizeOf, type Account } from './account.ts';
import { AwsError, invalid } from './errors.ts';
import { readPolicy } from './policy/document.ts';
import type { Layer } from './policy/evaluate.ts';
import { optionalText, structs, violated, type Form } from './query.ts';

const POLICY = { min: 1, max: 2048, pattern: /^[\u0009\u000A\u000D\u0020-\u00FF]+$/u };

/** `Policy` of a request; `undefined` where there is none. */
export function inlinePolicy(form: Form): Layer | undefined {
  const text = optionalText(form, 'Policy', POLICY);
  return text === undefined ? undefined : [readPolicy(text)];
}

/** `Policy` and `PolicyArns` of a request: one layer, or none. A managed policy counts as it is now. */
export function sessionPolicies(account: Account, form: Form): Layer | undefined {
  const inline = inlinePolicy(form);
  const arns = structs(form, 'PolicyArns', ['arn']).map(({ arn = '' }) => arn);
  if (arns.length > 10) throw violated('[...]', 'policyArns', 'Member must have length less than or equal to 10');
  const managed = arns.map((arn) => {
    const policy = account.policies.get(arn);
    if (!policy) throw invalid(`The policy ${arn} does not exist or is not of the role's account.`);
    return defaultPolicy(policy);
  });
  if (!inline && managed.length === 0) return undefined;
  const size = (inline?.[0]?.text.length ?? 0) + managed.reduce((sum, { text }) => sum + sizeOf(text), 0);
  if (size > POLICY.max) {
    const percent = Math.ceil((size / POLICY.max) * 100);
    throw new AwsError(
      400,
      'PackedPolicyTooLarge',
      `Packed policy consumes ${percent}% of allotted space, please use smaller policy.`,
    );
  }
  return [...(inline ?? []), ...managed];
}

import { checkFile } from './check.ts';

/** What a policy is, beside its text: for whoever shows which rules there are. */
export interface PolicySummary {
  readonly id: string;
  readonly file: string;
  readonly effect: 'permit' | 'forbid';
  readonly controls: readonly string[];
  /** Seconds. */
  readonly maxTtl: number | null;
  readonly requiresApproval: boolean;
  readonly text: string;
}

/** The policies of a file, as far as they can be read. */
export function summarisePolicies(file: string, text: string): PolicySummary[] {
  return checkFile(file, text).policies.map((policy) => ({
    id: policy.id,
    file,
    effect: policy.effect,
    controls: policy.controls,
    maxTtl: policy.maxTtl ?? null,
    requiresApproval: policy.requires !== undefined,
    text: policy.source.text.trim(),
  }));
}

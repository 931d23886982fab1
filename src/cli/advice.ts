/** What would help, by code, where the broker's own answer does not say it already. */
const ADVICE: Readonly<Record<string, string>> = {
  unreachable: 'is the broker running, and does WRIT_URL say where?',
  unexpected_answer: 'does WRIT_URL point at a broker?',
  identity_token_missing:
    'with the embedded default: export WRIT_IDENTITY_TOKEN="$(writ identity spiffe://dev.local/agent/me)"',
  operator_token_missing: 'set WRIT_OPERATOR_TOKEN',
  evidence_untrusted: 'ask the platform team which issuers the broker trusts',
  role_missing: 'ask somebody who has the role',
  role_limited: 'ask somebody whose role has no such limits',
  unknown_profile: 'ask the platform team for the names of profiles',
  profile_off: 'its provider is switched off in writ.yaml',
  too_many_requests: 'try again later',
  too_many_refusals: 'try again later',
  generation_behind: 'try again in a moment',
  ledger_unavailable: 'try again in a moment',
  shutting_down: 'try again in a moment',
};

export function adviceFor(code: string): string | undefined {
  return ADVICE[code];
}

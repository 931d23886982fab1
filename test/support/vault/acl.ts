/** Vault's ACL policies, as far as tests write them: what a token may do on a path (Vault's documentation, *Policies*). */
export interface Rule {
  readonly path: string;
  readonly capabilities: readonly string[];
}

/** @throws Error for a text that is no policy: quotes that are not closed, and everything that is not a `path` block. */
export function parsePolicy(text: string): Rule[] {
  const rules: Rule[] = [];
  let rest = text.replaceAll(/^\s*#.*$/gm, '').trim();
  while (rest !== '') {
    const block = /^path\s+"([^"\n]*)"\s*\{\s*capabilities\s*=\s*\[([^\]]*)\]\s*\}\s*/.exec(rest);
    if (!block) throw new Error('failed to parse policy');
    const capabilities = [...(block[2] ?? '').matchAll(/"([a-z]+)"/g)].map((match) => match[1] ?? '');
    rules.push({ path: block[1] ?? '', capabilities });
    rest = rest.slice(block[0].length);
  }
  return rules;
}

/** `{{identity.entity.metadata.NAME}}` and its like; a rule of which something has no value does not count. */
export function fillRule(rule: Rule, value: (reference: string) => string | undefined): Rule | undefined {
  const missing: string[] = [];
  const path = rule.path.replaceAll(/\{\{\s*([^}]+?)\s*\}\}/g, (_all, reference: string) => {
    const filled = value(reference);
    if (filled === undefined) missing.push(reference);
    return filled ?? '';
  });
  return missing.length === 0 ? { ...rule, path } : undefined;
}

function matches(pattern: string, path: string): boolean {
  const glob = pattern.endsWith('*');
  const wanted = (glob ? pattern.slice(0, -1) : pattern).split('/');
  const given = path.split('/');
  if (glob ? given.length < wanted.length : given.length !== wanted.length) return false;
  return wanted.every((segment, index) => {
    const last = index === wanted.length - 1;
    if (segment === '+') return true;
    return glob && last ? (given[index] ?? '').startsWith(segment) : segment === given[index];
  });
}

/** Which of two patterns that both match counts: the five rules of the documentation. */
function moreSpecific(one: string, other: string): number {
  const wild = (pattern: string) => {
    const first = pattern.search(/[+*]/);
    return first < 0 ? Infinity : first;
  };
  const pluses = (pattern: string) => pattern.split('/').filter((segment) => segment === '+').length;
  return (
    wild(other) - wild(one) ||
    Number(one.endsWith('*')) - Number(other.endsWith('*')) ||
    pluses(one) - pluses(other) ||
    other.length - one.length ||
    (one < other ? 1 : -1)
  );
}

/** Sorted; `deny` alone where nothing is allowed. */
export function capabilitiesOn(rules: readonly Rule[], path: string): string[] {
  const fitting = rules.filter((rule) => matches(rule.path, path));
  const difference = (one: Rule, other: Rule) => {
    if (one.path === other.path) return 0;
    const by = moreSpecific(one.path, other.path);
    return Number.isNaN(by) ? 0 : by;
  };
  const [best] = [...fitting].sort(difference);
  if (!best) return ['deny'];
  const all = new Set(fitting.filter((rule) => rule.path === best.path).flatMap((rule) => rule.capabilities));
  return all.has('deny') || all.size === 0 ? ['deny'] : [...all].sort();
}

import type { JsonObject } from '../../domain/json.ts';
import { instant } from './cloudtrail.ts';
import { text } from './describe.ts';
import { at, grantNamed } from './known.ts';
import type { Known } from './known.ts';
import type { Step } from './step.ts';

export interface VaultJoin {
  readonly steps: readonly Step[];
  /** The device writes accessors as HMACs (`hmac_accessor`, its default): only names and metadata could be compared. */
  readonly hashedAccessors: boolean;
}

/** Lines of an audit device: https://developer.hashicorp.com/vault/docs/audit. Of each exchange its response is shown where it is there. */
export function fromVaultAudit(lines: readonly JsonObject[], known: Known): VaultJoin {
  const answered = new Set(lines.filter((line) => line['type'] === 'response').map(requestOf));
  let hashedAccessors = false;
  const steps = lines.flatMap((line) => {
    if (accessorsOf(line).some((accessor) => accessor.startsWith('hmac-sha256:'))) hashedAccessors = true;
    if (line['type'] === 'request' && answered.has(requestOf(line))) return [];
    const match = grantOf(line, known);
    return match ? [stepOf(line, match.grant, match.by, known)] : [];
  });
  return { steps, hashedAccessors };
}

const requestOf = (line: JsonObject) => text(at(line, 'request', 'id')) || text(at(line, 'auth', 'accessor'));

function accessorsOf(line: JsonObject): string[] {
  const places = [
    at(line, 'auth', 'accessor'),
    at(line, 'request', 'client_token_accessor'),
    at(line, 'response', 'auth', 'accessor'),
    at(line, 'response', 'wrap_info', 'accessor'),
    at(line, 'response', 'wrap_info', 'wrapped_accessor'),
  ];
  return places.map(text).filter((accessor) => accessor !== '');
}

function grantOf(line: JsonObject, known: Known): { readonly grant: string; readonly by: string } | undefined {
  for (const accessor of accessorsOf(line)) {
    const grant = known.handles.get(accessor);
    if (grant !== undefined) return { grant, by: 'accessor' };
  }
  for (const auth of [at(line, 'auth'), at(line, 'response', 'auth')]) {
    const held = (auth ?? {}) as JsonObject;
    const meta = text(at(held, 'metadata', 'writ_grant'));
    if (known.grants.has(meta)) return { grant: meta, by: 'metadata.writ_grant' };
    const named = grantNamed(text(at(held, 'display_name')), known);
    if (named !== undefined) return { grant: named, by: 'display_name' };
  }
  return undefined;
}

function stepOf(line: JsonObject, grant: string, by: string, known: Known): Step {
  const error = text(line['error']);
  const operation = text(at(line, 'request', 'operation'));
  const path = text(at(line, 'request', 'path'));
  const more = (
    [
      ['remote_address', at(line, 'request', 'remote_address')],
      ['namespace', at(line, 'request', 'namespace', 'path')],
      ['request', at(line, 'request', 'id')],
    ] as const
  ).flatMap(([name, value]) => (text(value) === '' ? [] : [[name, text(value)] as const]));
  return {
    at: instant(text(line['time'])),
    task: known.grants.get(grant),
    kind: 'vault',
    failed: error !== '',
    title: `vault ${operation} ${path}${error === '' ? '' : ' (error)'}`,
    who: text(at(line, 'auth', 'display_name')),
    details: [['grant', grant], ['joined by', by], ...more, ...(error === '' ? [] : [['error', error] as const])],
    policies: [],
    leaf: undefined,
  };
}

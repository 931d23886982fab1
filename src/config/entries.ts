import { z } from 'zod';
import type { TrustEntry } from '../domain/trust.ts';
import { check } from './check.ts';
import type { Report } from './check.ts';
import { operatorEntry, providerEntry, trustEntry } from './settings-schema.ts';
import type { OperatorEntry, ProviderSettings } from './settings.ts';
import type { Path } from './yaml.ts';

/** What the configuration needs to know of a kind of trust entry or provider. */
export interface EntryKind {
  readonly kind: string;
  readonly config: z.ZodType;
}

/** `identity.trust`, each entry as its kind parsed it. */
export function readTrust(entries: readonly unknown[], kinds: readonly EntryKind[], report: Report): TrustEntry[] {
  return entries.flatMap((entry, index) => {
    const path = ['identity', 'trust', index];
    const shared = check(trustEntry, entry, path, report);
    const kind = kindOf(entry, kinds, path, report);
    const config = kind && check(kind.config, without(trustEntry, entry), path, report);
    if (!shared || !kind || config === undefined) return [];
    const { name, vouches_for, max_age, attests, development } = shared;
    return {
      name,
      kind: kind.kind,
      ...(vouches_for === undefined ? {} : { vouchesFor: vouches_for }),
      ...(max_age === undefined ? {} : { maxAge: max_age }),
      attests,
      ...(development === undefined ? {} : { development }),
      config,
    };
  });
}

/** `operators.trust`; what they are beyond issuer and audience is for `schema` to say. */
export function readOperators(
  entries: readonly unknown[],
  schema: z.ZodType | undefined,
  report: Report,
): OperatorEntry[] {
  return entries.flatMap((entry, index) => {
    const path = ['operators', 'trust', index];
    const shared = check(operatorEntry, entry, path, report);
    if (!shared) return [];
    const { development, ...own } = shared;
    const config = check(schema ?? z.unknown(), own, path, report);
    if (config === undefined) return [];
    return {
      issuer: own.issuer,
      audience: own.audience,
      ...(development === undefined ? {} : { development }),
      config,
    };
  });
}

/** `providers`, in the order in which they are written. `off`: those whose `when` came out empty. */
export function readProviders(
  entries: Readonly<Record<string, unknown>>,
  off: ReadonlySet<string>,
  kinds: readonly EntryKind[],
  report: Report,
): ProviderSettings[] {
  return Object.entries(entries).flatMap(([name, entry]) => {
    const path = ['providers', name];
    const shared = check(providerEntry, entry, path, report);
    const kind = kindOf(entry, kinds, path, report);
    if (!kind) return [];
    if (off.has(name)) return shared ? { name, kind: kind.kind, on: false, config: undefined } : [];
    const config = check(kind.config, without(providerEntry, entry), path, report);
    return !shared || config === undefined ? [] : { name, kind: kind.kind, on: true, config };
  });
}

/** Undefined also where there is no kind at all, which the schema of what all kinds share has reported. */
function kindOf(entry: unknown, kinds: readonly EntryKind[], path: Path, report: Report): EntryKind | undefined {
  const kind = membersOf(entry)['kind'];
  const found = kinds.find((known) => known.kind === kind);
  if (!found && typeof kind === 'string') {
    report([...path, 'kind'], `{value} is not a kind that is known here: ${kinds.map((k) => k.kind).join(', ')}`);
  }
  return found;
}

/** What is the kind's own: checked also where something shared is wrong, so that neither hides the other. */
function without(shared: z.ZodObject, entry: unknown): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(membersOf(entry)).filter(([member]) => !Object.hasOwn(shared.shape, member)),
  );
}

function membersOf(entry: unknown): Readonly<Record<string, unknown>> {
  return typeof entry === 'object' && entry !== null && !Array.isArray(entry) ? { ...entry } : {};
}

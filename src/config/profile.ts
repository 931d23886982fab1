import { z } from 'zod';
import { isJsonObject } from '../domain/json.ts';
import type { Json, JsonObject } from '../domain/json.ts';
import type { Problem } from '../domain/problem.ts';
import { EFFECTS } from '../domain/profile.ts';
import type { Profile } from '../domain/profile.ts';
import { check, phrase, showValue } from './check.ts';
import type { Report } from './check.ts';
import { duration, label, name } from './fields.ts';
import { patternFault } from './pattern.ts';
import { checkTemplates } from './template.ts';
import { readYaml } from './yaml.ts';
import type { Path } from './yaml.ts';

/** What the rules need to know of a kind of provider: how a profile's section is written. */
export interface SectionKind {
  readonly kind: string;
  readonly section: z.ZodType<JsonObject>;
  sectionProblems?(profile: Profile): readonly { readonly path: Path; readonly message: string }[];
}

/** A provider of `writ.yaml`, as far as the rules are concerned. */
export interface ProviderName {
  readonly name: string;
  readonly kind: string;
  readonly on: boolean;
}

const MAX_TTL_SECONDS = 30 * 86_400;

const PARAMETER_NAME = z
  .string()
  .regex(/^[a-z][a-z0-9_]{0,62}$/, '{value} is not a name of a parameter: a-z, 0-9 and _, beginning with a letter');

const pattern = z.string().superRefine((written, context) => {
  const fault = patternFault(written);
  if (fault !== undefined) context.addIssue({ code: 'custom', message: `{value} ${fault}` });
});

const ttl = z
  .strictObject({ default: duration, max: duration, min: duration.prefault('1s') })
  .superRefine(({ default: usual, max, min }, context) => {
    const fault = (member: string, message: string) =>
      context.addIssue({ code: 'custom', path: [member], message: `{value} ${message}` });
    if (max > MAX_TTL_SECONDS) fault('max', 'is longer than 30d');
    if (usual > max) fault('default', 'is longer than ttl.max');
    if (usual < min) fault('default', 'is shorter than ttl.min');
    else if (max < min) fault('max', 'is shorter than ttl.min');
  });

/** What every profile has, beside the section of its provider's kind. */
export const profileMembers = z.strictObject({
  name,
  provider: name,
  owner: label,
  environment: label,
  effect: z.enum(EFFECTS),
  ttl,
  parameters: z.record(PARAMETER_NAME, z.strictObject({ pattern, optional: z.boolean().default(false) })).default({}),
});

/** Reads one profile. Its problems are all that it has, also those of parts beside a part that is wrong. */
export function readProfile(
  file: string,
  text: string,
  providers: readonly ProviderName[],
  kinds: readonly SectionKind[],
): { readonly profile?: Profile; readonly problems: readonly Problem[] } {
  const yaml = readYaml(file, text);
  if (yaml.value === undefined) return { problems: yaml.problems };
  const { value } = yaml;
  const problems: Problem[] = [];
  const report: Report = (path, message) => {
    const shown = phrase(path, message, showValue(value, path));
    problems.push({ file, line: yaml.lineOf(path), message: shown });
  };
  const profile = toProfile(value, providers, kinds, report);
  if (profile && file !== `profiles/${profile.name}.yaml`) report(['name'], '{value} must be the name of the file');
  return profile && problems.length === 0 ? { profile, problems } : { problems };
}

function toProfile(
  value: Json,
  providers: readonly ProviderName[],
  kinds: readonly SectionKind[],
  report: Report,
): Profile | undefined {
  const written = isJsonObject(value) ? value : {};
  const sections = Object.keys(written).filter((member) => kinds.some(({ kind }) => kind === member));
  const common = Object.fromEntries(Object.entries(written).filter(([member]) => !sections.includes(member)));
  const shared = check(profileMembers, isJsonObject(value) ? common : value, [], report);

  const provider = providers.find((known) => known.name === written['provider']);
  if (!provider && typeof written['provider'] === 'string') {
    report(
      ['provider'],
      `{value} is not a provider of writ.yaml; known are ${providers.map((p) => p.name).join(', ')}`,
    );
  }
  const kind = kinds.find((known) => known.kind === provider?.kind);
  if (!kind) return undefined;
  for (const section of sections.filter((other) => other !== kind.kind)) {
    report([section], `is not for this profile: its provider is of kind ${kind.kind}`);
  }
  if (!sections.includes(kind.kind)) {
    report([], `needs the section ${kind.kind}: which credential its provider is to make`);
    return undefined;
  }
  const section = check(kind.section, written[kind.kind], [kind.kind], report);
  if (!shared || !section) return undefined;
  checkTemplates(written[kind.kind] ?? null, [kind.kind], shared.parameters, report);
  const profile: Profile = { ...shared, section };
  for (const { path, message } of kind.sectionProblems?.(profile) ?? []) report(path, message);
  return profile;
}

import { randomBytes } from 'node:crypto';
import { loadSettings } from '../../src/config/index.ts';
import type { Settings, SettingsSource } from '../../src/config/index.ts';
import { attesterKinds, providerKinds } from './kinds.ts';
import { problemsOf } from './problems.ts';
import { tree } from './tree.ts';

export const kek = randomBytes(32).toString('base64');
export const env = { DATABASE_URL: 'postgres://writ:hidden-db@db/writ', STORE_URL: 'store://hidden-store', KEK: kek };

export type Extra = Partial<Omit<SettingsSource, 'directory'>> & { readonly files?: Readonly<Record<string, string>> };

/** The settings of a `writ.yaml`, with other files beside it. */
export async function load(text: string, { files, ...extra }: Extra = {}): Promise<Settings> {
  const directory = await tree({ 'writ.yaml': text, ...files });
  return loadSettings({ directory, env, attesterKinds, providerKinds, ...extra });
}

/** The problems of a file, without the directory that it lies in. */
export async function problems(text: string, extra: Extra = {}): Promise<string[]> {
  return (await problemsOf(() => load(text, extra))).map((problem) => problem.replace(/^.*\/writ\.yaml/, 'writ.yaml'));
}

export const MESH = 'identity: { trust: [{ name: mesh, kind: oidc, issuer: "https://i.example" }] }\n';

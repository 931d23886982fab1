import type { Settings } from './config/index.ts';
import { providerKinds } from './providers/index.ts';
import type { Provider, ProviderDeps, ProviderKind } from './providers/provider.ts';

/** The providers of the configuration that are on, by name. */
export function buildProviders(settings: Settings, deps: ProviderDeps): ReadonlyMap<string, Provider> {
  const kinds = new Map<string, ProviderKind>(providerKinds.map((kind) => [kind.kind, kind]));
  const providers = new Map<string, Provider>();
  for (const { name, kind, on, config } of settings.providers) {
    if (on) providers.set(name, kindOf(kinds, kind).create(name, config, deps));
  }
  return providers;
}

function kindOf(kinds: ReadonlyMap<string, ProviderKind>, kind: string): ProviderKind {
  const found = kinds.get(kind);
  if (!found) throw new Error(`no provider of kind ${kind}`);
  return found;
}

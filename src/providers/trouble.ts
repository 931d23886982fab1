import type { ProviderError, ProviderErrorCode } from '../domain/errors.ts';

/** What a check can meet at a server: it asks for nothing that could pass a limit. */
export type Trouble = Exclude<ProviderErrorCode, 'provider_limit'>;

export function troubleOf({ code }: ProviderError): Trouble {
  return code === 'provider_limit' ? 'provider_refused' : code;
}

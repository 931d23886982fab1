import { z } from 'zod';
import { ProviderError } from '../../domain/errors.ts';
import type { JsonObject } from '../../domain/json.ts';

/** What it takes to end a mint. Accessors and lease ids are no secrets: with them alone nothing can be read. */
const VaultHandle = z.strictObject({
  accessor: z.string().min(1),
  /** Of the token that gives the real one, where it was wrapped. */
  wrap_accessor: z.string().min(1).exactOptional(),
  leases: z.array(z.string().min(1)),
  /** Where it was made: "not found" says nothing anywhere else. */
  cluster: z.string().exactOptional(),
  namespace: z.string(),
  ends_at: z.iso.datetime({ precision: 3 }),
});
export type VaultHandle = z.infer<typeof VaultHandle>;

/** A handle as it comes back from the ledger. @throws ProviderError for one that this provider did not make. */
export function readHandle(handle: JsonObject): VaultHandle {
  const parsed = VaultHandle.safeParse(handle);
  if (parsed.success) return parsed.data;
  throw new ProviderError('provider_refused', { nothingLives: false, facts: { finding: 'handle_unreadable' } });
}

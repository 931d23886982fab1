import { ProviderError } from '../../src/domain/errors.ts';

/** How a provider's call failed. Throws where it did not, or not as a provider does. */
export async function failure(call: Promise<unknown>): Promise<ProviderError> {
  const error = await call.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (error instanceof ProviderError) return error;
  throw new Error('it did not fail as a provider does', { cause: error });
}

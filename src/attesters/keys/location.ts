import { z } from 'zod';

/**
 * Where keys are: a file, a URL, or whatever the issuer's discovery document names. `ca_file` pins the authorities of a
 * private PKI; `token_file` is shown as a bearer token, as a cluster's JWKS wants it. Files are read again each time.
 */
export type KeyLocation =
  | { readonly file: string }
  | { readonly url: string; readonly ca_file?: string | undefined; readonly token_file?: string | undefined }
  | { readonly issuer: string };

const path = z.string().min(1, 'must name a file');

/** Plain http is for hosts that are allowed by name, which the outbound client decides. */
export const urlSchema = z.url({ protocol: /^https?$/, error: 'must be an https URL' });

/** Compared as it stands with the `iss` of tokens and the discovery document (OpenID Connect Discovery §4.3). */
export const issuerSchema = urlSchema.refine(
  (text) => !/[?#]/.test(text),
  'must be the issuer exactly as its tokens name it, without query or fragment',
);

/** `{ file }` or `{ url, ca_file?, token_file? }`: exactly one of the two. */
export const keyLocationSchema = z
  .strictObject({
    file: path.optional(),
    url: urlSchema.optional(),
    ca_file: path.optional(),
    token_file: path.optional(),
  })
  .refine(({ file, url }) => (file === undefined) !== (url === undefined), 'give either file or url')
  .refine(({ file, ca_file, token_file }) => !(file !== undefined && (ca_file ?? token_file) !== undefined), {
    message: 'ca_file and token_file go with url',
  })
  .transform(({ file, url, ca_file, token_file }): KeyLocation => {
    return file === undefined ? { url: url ?? '', ca_file, token_file } : { file };
  });

/** The given location, or else discovery at the issuer. */
export function orDiscovery(location: KeyLocation | undefined, issuer: string): KeyLocation {
  return location ?? { issuer };
}

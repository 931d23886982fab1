import { createHash } from 'node:crypto';
import type { Outbound } from '../../domain/outbound.ts';
import { readCheckpoint } from '../checkpoint.ts';
import type { Witness } from '../witness.ts';
import { signSigV4 } from './sigv4.ts';
import type { AwsCredentials } from './sigv4.ts';
import { WitnessAnswer } from './webhook.ts';

export interface S3Witness {
  readonly bucket: string;
  /** The object: it always holds the newest checkpoint. Versions and a lock on the bucket keep the earlier ones. */
  readonly key: string;
  readonly region: string;
  /** Another server that speaks S3, addressed by path. */
  readonly endpoint?: string;
  readonly credentials: AwsCredentials;
}

/** One object in a bucket, by one signed PUT. */
export function makeS3Witness(options: S3Witness, outbound: Outbound, now: () => Date): Witness {
  const { bucket, region, endpoint, credentials } = options;
  const path = options.key.split('/').map(encode).join('/');
  const url = new URL(
    endpoint === undefined ? `https://${bucket}.s3.${region}.amazonaws.com/${path}` : `${endpoint}/${bucket}/${path}`,
  );
  const ask = (method: 'GET' | 'PUT', body: string) => {
    const hash = createHash('sha256').update(body).digest('hex');
    const headers: Record<string, string> = { 'x-amz-content-sha256': hash };
    if (method === 'PUT') headers['content-type'] = 'text/plain; charset=utf-8';
    const signed = signSigV4({ method, url, region, service: 's3', headers, body }, credentials, now());
    return outbound(url.href, { method, headers: signed, ...(method === 'PUT' ? { body } : {}) });
  };
  return {
    name: `s3:${bucket}/${options.key}`,

    async last() {
      const { status, text } = await ask('GET', '');
      if (status === 404) return undefined;
      const checkpoint = status === 200 ? readCheckpoint(text) : undefined;
      if (!checkpoint) throw new WitnessAnswer(status);
      return checkpoint;
    },

    async publish(note) {
      const { status } = await ask('PUT', note);
      if (status !== 200) throw new WitnessAnswer(status);
    },
  };
}

/** Every byte but the unreserved ones, as S3 expects it in the canonical request. */
function encode(part: string): string {
  return encodeURIComponent(part).replace(/[!'()*]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`);
}

import type { Outbound } from '../../domain/outbound.ts';
import type { Witness } from '../witness.ts';
import { makeFileWitness } from './file.ts';
import { makeS3Witness } from './s3.ts';
import type { S3Witness } from './s3.ts';
import { makeWebhookWitness } from './webhook.ts';
import type { WebhookWitness } from './webhook.ts';

export type WitnessOptions =
  | { readonly kind: 'file'; readonly path: string }
  | (WebhookWitness & { readonly kind: 'webhook' })
  | (S3Witness & { readonly kind: 's3' });

/** Each has a name of its own. */
export function makeWitnesses(
  all: readonly WitnessOptions[],
  deps: { readonly outbound: Outbound; readonly now: () => Date },
): Witness[] {
  const witnesses = all.map((options) => make(options, deps));
  return witnesses.map((witness, at) => {
    const before = witnesses.slice(0, at).filter(({ name }) => name === witness.name).length;
    return before === 0 ? witness : { ...witness, name: `${witness.name}#${before + 1}` };
  });
}

function make(options: WitnessOptions, { outbound, now }: { outbound: Outbound; now: () => Date }): Witness {
  switch (options.kind) {
    case 'file':
      return makeFileWitness(options.path);
    case 'webhook':
      return makeWebhookWitness(options, outbound);
    case 's3':
      return makeS3Witness(options, outbound, now);
  }
}

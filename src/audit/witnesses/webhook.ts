import { readFile } from 'node:fs/promises';
import type { Outbound, OutboundRequest } from '../../domain/outbound.ts';
import { readCheckpoint } from '../checkpoint.ts';
import type { Witness } from '../witness.ts';

export interface WebhookWitness {
  /** Each checkpoint is POSTed here, as the text that it is. Any 2xx means that it is kept. */
  readonly url: string;
  /** Where the last one kept is GET: 200 with the text, or 404 where there is none. */
  readonly latest?: string;
  /** File with a bearer token, read anew each time. */
  readonly tokenFile?: string;
  /** File with the only authorities to accept. */
  readonly caFile?: string;
}

/** Somebody's HTTP endpoint, reached through the one outbound client. */
export function makeWebhookWitness({ url, latest, tokenFile, caFile }: WebhookWitness, outbound: Outbound): Witness {
  async function request(): Promise<Pick<OutboundRequest, 'ca'> & { headers: Record<string, string> }> {
    const token = tokenFile === undefined ? undefined : (await readFile(tokenFile, 'utf8')).trim();
    const headers: Record<string, string> = token === undefined ? {} : { authorization: `Bearer ${token}` };
    return { headers, ...(caFile === undefined ? {} : { ca: await readFile(caFile, 'utf8') }) };
  }
  return {
    name: `webhook:${new URL(url).host}`,

    async last() {
      if (latest === undefined) return undefined;
      const { status, text } = await outbound(latest, await request());
      if (status === 404 || status === 204) return undefined;
      if (status !== 200) throw new WitnessAnswer(status);
      const checkpoint = readCheckpoint(text);
      if (!checkpoint) throw new WitnessAnswer(status);
      return checkpoint;
    },

    async publish(note) {
      const { headers, ...rest } = await request();
      const type = { 'content-type': 'text/plain; charset=utf-8' };
      const { status } = await outbound(url, { ...rest, method: 'POST', headers: { ...headers, ...type }, body: note });
      if (status < 200 || status > 299) throw new WitnessAnswer(status);
    },
  };
}

/** A witness that answered something else than that it keeps, or what it keeps. */
export class WitnessAnswer extends Error {
  readonly code = 'witness_answer_wrong';
  readonly status: number;
  constructor(status: number) {
    super(`the witness answered ${status}`);
    this.name = 'WitnessAnswer';
    this.status = status;
  }
}

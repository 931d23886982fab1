import type { EventGroup } from './event-type.ts';

export const MINTS: EventGroup = {
  title: 'Mints',
  intro:
    'A mint is one act of making a credential. A grant has one or more: the first, one for each renewal, one for each repeated request.',
  types: [
    {
      type: 'mint.opened',
      when: 'the intent of one more credential of a grant',
      by: ['workload'],
      success: 'yes',
      origin: 'request',
      resource: 'profile',
      facts: {
        decision: '',
        mint: '',
        kind: '`renewal`, `replacement`, `child`',
        ttl_seconds: '',
        ttl_decided_by: '',
        expires_at: '',
        mint_ends_at: 'of the credential that is asked for',
      },
    },
    {
      type: 'mint.activated',
      when: 'it was issued',
      by: ['workload'],
      success: 'yes',
      origin: 'request',
      resource: 'profile',
      facts: { mint: '', kind: '', handle: '', expires_at: '', credential_expires_at: '' },
    },
    {
      type: 'mint.ending',
      when: 'one credential ends, and its grant does not',
      by: ['workload', 'system'],
      success: 'yes',
      origin: 'either',
      resource: 'profile',
      facts: { mint: '', mints: '', why: '`expiry`, `abandoned`, `request_repeated`', error: '' },
    },
    {
      type: 'mint.ended',
      when: 'an end was confirmed',
      by: ['system'],
      success: 'either',
      origin: 'broker',
      resource: 'profile',
      facts: {
        mint: '',
        outcome: '`ended`: the provider confirms; `absent`: it never came to be; `lapsed`: its life was all there was',
        error: '',
      },
    },
    {
      type: 'mint.end_failed',
      when: 'an attempt to end it has failed',
      by: ['system'],
      success: 'no',
      origin: 'broker',
      resource: 'profile',
      facts: { mint: '', error: '', attempts: '' },
    },
  ],
};

import type { EventGroup } from './event-type.ts';

export const CALLS: EventGroup = {
  title: 'Calls',
  types: [
    {
      type: 'call.decided',
      when: 'whether a tool may be called was decided, on its arguments and the live state',
      by: ['workload'],
      success: 'either',
      origin: 'request',
      resource: 'tool',
      facts: {
        outcome: '`allow`, `deny`, `approval`',
        code: 'why not',
        generation: '',
        rules_hash: '',
        policies: '',
        controls: 'that these policies carry',
        errors: '',
        mode: 'of the task',
        approval: '',
        exception: '',
        arguments: 'as far as the file of the tool says that they are kept',
        arguments_hash: '',
        inputs_hash: '',
      },
    },
    {
      type: 'call.reported',
      when: 'how a call went, in the word of whoever may ask about it',
      by: ['workload'],
      success: 'either',
      origin: 'request',
      resource: 'tool',
      facts: { status: '`succeeded`, `failed`, `not_attempted`', detail: '', happened_at: '', decided: '' },
    },
  ],
};

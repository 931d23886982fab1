import type { EventGroup } from './event-type.ts';

export const ORDERS: EventGroup = {
  title: 'Orders',
  types: [
    {
      type: 'order.created',
      when: 'an order was given; from here on everything that matches is refused',
      by: ['operator'],
      success: 'yes',
      origin: 'request',
      resource: 'order',
      facts: { order: '', kind: '', value: '', reason: '', blocks: '' },
    },
    {
      type: 'order.swept',
      when: 'everything that it covers has been marked',
      by: ['system'],
      success: 'yes',
      origin: 'broker',
      resource: 'order',
      facts: { order: '', matched: '' },
    },
    {
      type: 'order.lift_requested',
      when: 'the first of two people asked to lift an order over everything; with `success: false`, the same one asked again',
      by: ['operator'],
      success: 'either',
      origin: 'request',
      resource: 'order',
      facts: { order: '', reason: '', code: '' },
    },
    {
      type: 'order.lifted',
      when: 'it blocks no longer',
      by: ['operator'],
      success: 'yes',
      origin: 'request',
      resource: 'order',
      facts: { order: '', reason: '', requested_by: '' },
    },
  ],
};

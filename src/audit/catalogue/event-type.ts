export interface EventType {
  readonly type: string;
  readonly when: string;
  /** Who may have done it: `actor.kind`. */
  readonly by: readonly ('workload' | 'operator' | 'system')[];
  readonly success: 'yes' | 'no' | 'either';
  /**
   * Where it came from (PCI DSS 10.2.2): `request`, the address in `origin`; `broker`, its own doing, by the part that `actor` names;
   * `either`: a request's, or the consequence of an order or an end whose own event has the address.
   */
  readonly origin: 'request' | 'broker' | 'either';
  /** What `resource` names. */
  readonly resource: string;
  /** Name to what it is, where that is not plain. */
  readonly facts: Readonly<Record<string, string>>;
}

export interface EventGroup {
  readonly title: string;
  readonly intro?: string;
  readonly types: readonly EventType[];
}

/** What of the record a control is shown with, beside its events. */
export const SHOWN = ['profiles', 'exceptions', 'usage', 'log'] as const;
export type Shown = (typeof SHOWN)[number];

/** What has to be there; where it is not, that is said to be missing. */
export const EXPECTED = [
  /** A policy in force names the control. */
  'policies',
  /** At least one of its events happened. */
  'events',
  /** Every end of the span was confirmed by its provider in time: one that was confirmed later counts as missing too. */
  'confirmed',
  /** The log is signed. */
  'signed',
  /** Somebody outside keeps its checkpoints. */
  'witness',
  /** Exceptions were reviewed when they had to be. */
  'reviews',
  /** Nobody holds what is never used. */
  'use',
] as const;
export type Expected = (typeof EXPECTED)[number];

/** One control of a framework, and what speaks for it. */
export interface Control {
  readonly id: string;
  /** Other names that policies give it. */
  readonly aliases: readonly string[];
  /** What Writ has to show for it. */
  readonly about: string;
  /** Types of events; `grant.*` stands for all of a kind. */
  readonly events: readonly string[];
  readonly shows: readonly Shown[];
  readonly expects: readonly Expected[];
  /** What of it cannot be shown from here. */
  readonly cannot?: string | undefined;
}

/** A mapping of a framework to the record: data with a version, which anybody may add to. */
export interface Framework {
  readonly framework: string;
  readonly title: string;
  readonly version: string;
  /** How `@control` of a policy begins: `PREFIX:ID`. */
  readonly prefix: string;
  readonly source: string;
  readonly cannot: readonly string[];
  readonly controls: readonly Control[];
}

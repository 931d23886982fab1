import { randomBytes } from 'node:crypto';
import { Refusal, type FakeState, type FakeToken } from './state.ts';
import type { FakeDatabase } from './database.ts';

export interface Asked {
  readonly method: string;
  readonly path: string;
  readonly body: Readonly<Record<string, unknown>>;
  readonly state: FakeState;
  /** Undefined where the call needs none. */
  readonly token: FakeToken;
  readonly database: FakeDatabase;
}

export interface Answer {
  readonly status: number;
  readonly body?: Readonly<Record<string, unknown>>;
}

export const NOTHING: Answer = { status: 204 };
const envelope = {
  lease_id: '',
  renewable: false,
  lease_duration: 0,
  data: null,
  wrap_info: null,
  warnings: null,
  auth: null,
};
export const answer = (members: object): Answer => ({
  status: 200,
  body: { request_id: randomBytes(8).toString('hex'), ...envelope, ...members },
});
/** What is not there is an empty list of errors. */
export const NOT_FOUND: Answer = { status: 404, body: { errors: [] } };

export type Handler = (asked: Asked, ...ids: string[]) => Answer;
export interface Route {
  readonly method: string;
  readonly path: RegExp;
  readonly handle: Handler;
  /** No token is needed. */
  readonly open?: true;
}

export const text = (asked: Asked, member: string): string => {
  const value = asked.body[member];
  if (typeof value !== 'string' || value === '') throw new Refusal(400, `missing ${member}`);
  return value;
};
export const byAccessor = (asked: Asked): FakeToken => {
  const token = asked.state.byAccessor(text(asked, 'accessor'));
  if (!asked.state.alive(token)) throw new Refusal(400, 'invalid accessor');
  return token;
};

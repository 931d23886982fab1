import {
  FAULT_CODES,
  Fault,
  PROVIDER_ERROR_CODES,
  ProviderError,
  REFUSAL_CODES,
  Refusal,
} from '../../src/domain/errors.ts';
import { GRANT_STATES } from '../../src/domain/grant.ts';
import { ProblemsError } from '../../src/domain/problem.ts';
import { ApplyBody } from '../../src/http/generations.ts';
import { IssueBody, ListQuery, RenewBody, RevokeBody } from '../../src/http/grants.ts';
import { OPERATIONS } from '../../src/http/operations/index.ts';
import { LiftBody, OrdersQuery, RevocationBody } from '../../src/http/orders.ts';
import { problemOf } from '../../src/http/problem.ts';
import { EndTaskBody, TaskBody, TasksQuery } from '../../src/http/tasks.ts';
import { ExchangeForm, RequestDetails } from '../../src/http/token-endpoint.ts';
import { membersOf, sorted, writtenMembers } from './members.ts';
import { codesOf, readPage, sectionOf } from './pages.ts';

/** Routes, bodies, states and problem codes are on the page as the program has them, and no others. */
const page = await readPage('docs/http.md');

test('every route, and who may call it', () => {
  const written = sectionOf(page, 'Routes').rows.map(([route = '', who = '']) => ({
    route: codesOf(route)[0],
    roles: codesOf(who).sort(),
    others: who.replaceAll(/`[^`]*`/g, '').replaceAll(/[ ,]/g, ''),
  }));
  const operations = OPERATIONS.map(({ method, path, workload, roles = [] }) => ({
    route: `${method.toUpperCase()} ${path}`,
    roles: [...roles].sort(),
    others: workload ? 'workload' : roles.length > 0 ? '' : 'anybody',
  }));
  expect(written).toEqual(operations);
});

test('the answers of every route', () => {
  const written = sectionOf(page, 'Routes').rows.map(([, , answers = '']) =>
    codesOf(answers)
      .filter((code) => /^\d{3}$/.test(code))
      .sort(),
  );
  expect(written).toEqual(OPERATIONS.map(({ answers }) => Object.keys(answers).sort()));
});

test.each([
  { heading: 'Body of `POST /v1/grants`', schema: IssueBody },
  { heading: 'Body of `POST /v1/grants/{id}/renew`', schema: RenewBody },
  { heading: 'Body of `POST /v1/grants/{id}/revoke`', schema: RevokeBody },
  { heading: 'Filters of `GET /v1/grants`', schema: ListQuery },
  { heading: 'Body of `POST /v1/tasks`', schema: TaskBody },
  { heading: 'Filters of `GET /v1/tasks`', schema: TasksQuery },
  { heading: 'Body of `POST /v1/tasks/{id}/end`', schema: EndTaskBody },
  { heading: 'Parameters of `POST /oauth/token`', schema: ExchangeForm },
  { heading: 'Members of `request_details`', schema: RequestDetails },
  { heading: 'Body of `POST /v1/revocations`', schema: RevocationBody },
  { heading: 'Filters of `GET /v1/revocations`', schema: OrdersQuery },
  { heading: 'Body of `POST /v1/revocations/{id}/lift`', schema: LiftBody },
  { heading: 'Body of `POST /v1/generations`', schema: ApplyBody },
])('$heading', ({ heading, schema }) => {
  expect(sorted(writtenMembers(sectionOf(page, heading), 1))).toEqual(sorted(membersOf(schema)));
});

test('every code, with its status', () => {
  const errors = [
    ...REFUSAL_CODES.map((code) => new Refusal(code)),
    ...FAULT_CODES.map((code) => new Fault(code)),
    ...PROVIDER_ERROR_CODES.map((code) => new ProviderError(code, { nothingLives: true })),
    ...[400, 413, 415, 418].map((status) => Object.assign(new Error(), { status })),
    new ProblemsError([]),
  ];
  const problems = new Map(errors.map((error) => [problemOf(error).code, problemOf(error).status]));
  problems.set('misdirected_request', 421); // has no error: it is answered before anything may fail
  const written = sectionOf(page, 'Codes').rows.map(
    ([code = '', status]) => [codesOf(code)[0], Number(status)] as const,
  );
  expect(new Map(written)).toEqual(problems);
  expect(written).toHaveLength(problems.size);
});

test('every state of a grant', () => {
  const text = sectionOf(page, 'The states of a grant').rows.flat().join(' ');
  expect(new Set(codesOf(text).filter((code) => code !== 'why'))).toEqual(new Set(GRANT_STATES));
  const filter = sectionOf(page, 'Filters of `GET /v1/grants`').rows[0]?.[2] ?? '';
  expect(codesOf(filter)).toEqual(GRANT_STATES);
});

import { randomUUID } from 'node:crypto';
import { homeOf, type Account, type Principal } from './account.ts';
import type { Action, Result, Service } from './actions.ts';
import { authenticate } from './authorize.ts';
import { AwsError, Unsupported } from './errors.ts';
import type { Faults } from './faults.ts';
import { parseForm, requireKnown, type Form } from './query.ts';
import { verifySignature, type SignedRequest } from './sigv4.ts';
import type { FakeCall } from './types.ts';
import { errorXml, resultXml } from './xml.ts';

export interface Answer {
  readonly action: string;
  readonly status: number;
  readonly requestId: string;
  readonly xml: string;
  /** Nobody ever answers it, and it had no effect. */
  readonly silent?: true;
}

export interface Api {
  answer(request: SignedRequest, faults: Faults): Answer;
  readonly calls: readonly FakeCall[];
  /** What came in that could not be judged as AWS would. */
  readonly unsupported: readonly Error[];
}

export interface ApiOptions {
  readonly account: Account;
  readonly services: readonly Service[];
  /** The region that signatures must be for. */
  readonly regions: Readonly<Record<Service['name'], string>>;
}

/** What one request says, is allowed, does and is answered. */
export function makeApi({ account, services, regions }: ApiOptions): Api {
  const calls: FakeCall[] = [];
  const unsupported: Error[] = [];

  const verify = (request: SignedRequest, service: Service): Principal => {
    const accessKeyId = verifySignature(request, {
      now: account.clock.now(),
      region: regions[service.name],
      service: service.name,
      keyOf: (id) => account.keys.get(id)?.keys,
    });
    const keys = account.keys.get(accessKeyId)?.keys;
    if (!keys) throw new Error('verified keys are there');
    return authenticate(account, keys);
  };

  const errorOf = (error: unknown): AwsError => {
    if (error instanceof AwsError) return error;
    unsupported.push(error instanceof Error ? error : new Error(String(error)));
    const message = error instanceof Error ? error.message : String(error);
    return new AwsError(400, error instanceof Unsupported ? 'FakeAwsUnsupported' : 'FakeAwsFault', message);
  };

  const answer = (request: SignedRequest, faults: Faults): Answer => {
    const requestId = randomUUID();
    let form: Form | undefined;
    let service: Service | undefined;
    let who: Principal | undefined;
    const record = (status: number, code: string | undefined) => {
      const { action, params } = form ?? { action: '', params: new Map<string, string>() };
      const session = who?.is === 'session' ? who.accessKeyId : undefined;
      const caller = { who: who?.arn, session };
      calls.push({ at: account.clock.now(), action, params: withoutSecrets(params), ...caller, status, code });
    };
    try {
      if (request.method !== 'POST') throw new AwsError(400, 'InvalidAction', 'Only POST is spoken here');
      form = parseForm(request.body.toString());
      service = serviceOf(services, form);
      const action = actionOf(service, form);
      if (action.signed) who = verify(request, service);
      const failure = faults.failing(form.action);
      if (failure) throw failure;
      const home = who ? homeOf(who, account) : account;
      if (service.name === 'iam' && home.iam === 'silent')
        return { action: form.action, status: 0, requestId, xml: '', silent: true };
      if (service.name === 'iam' && home.iam === 'failing')
        throw new AwsError(503, 'ServiceUnavailable', `IAM of the account ${home.id} is away`);
      requireKnown(form, action.params);
      const result = run(action, home, form, who);
      const xml = resultXml(
        service.namespace,
        form.action,
        faults.public.lie?.(form.action, result) ?? result,
        requestId,
      );
      record(200, undefined);
      return { action: form.action, status: 200, requestId, xml };
    } catch (thrown) {
      const error = errorOf(thrown);
      record(error.status, error.code);
      const namespace = (service ?? services[0])?.namespace ?? '';
      return {
        action: form?.action ?? '',
        status: error.status,
        requestId,
        xml: errorXml(namespace, error, requestId),
      };
    }
  };
  return { answer, calls, unsupported };
}

function serviceOf(services: readonly Service[], { action, version }: Form): Service {
  const service = services.find((one) => one.version === version);
  if (!service) throw new AwsError(400, 'InvalidAction', `Could not find operation ${action} for version ${version}`);
  return service;
}

function actionOf({ actions, version }: Service, { action: name }: Form): Action {
  const action = Object.hasOwn(actions, name) ? actions[name] : undefined;
  if (!action) throw new AwsError(400, 'InvalidAction', `Could not find operation ${name} for version ${version}`);
  return action;
}

function run(action: Action, account: Account, form: Form, who: Principal | undefined): Result {
  if (!action.signed) return action.run(account, form);
  if (!who) throw new Error('a signed action has a caller');
  return action.run(account, form, who);
}

function withoutSecrets(params: ReadonlyMap<string, string>): Record<string, string> {
  return Object.fromEntries(
    [...params].map(([name, value]) => [name, name === 'WebIdentityToken' ? 'not kept' : value]),
  );
}

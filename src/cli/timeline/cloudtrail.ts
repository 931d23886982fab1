import { isJsonObject } from '../../domain/json.ts';
import type { Json, JsonObject } from '../../domain/json.ts';
import { at, grantNamed } from './known.ts';
import type { Known } from './known.ts';
import { text } from './describe.ts';
import type { Step } from './step.ts';

/** https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-record-contents.html */
export function fromCloudTrail(records: readonly JsonObject[], known: Known): Step[] {
  return records.flatMap((record) => {
    const match = grantOf(record, known);
    return match ? [stepOf(record, match.grant, match.by, known)] : [];
  });
}

interface Match {
  readonly grant: string;
  readonly by: string;
}

/** By the session's name, where the record is of the session's own doing or of its making; by its key; by its tag. */
function grantOf(record: JsonObject, known: Known): Match | undefined {
  const names: readonly (readonly [string, Json | undefined])[] = [
    ['userIdentity.principalId', at(record, 'userIdentity', 'principalId')],
    ['userIdentity.arn', at(record, 'userIdentity', 'arn')],
    ['requestParameters.roleSessionName', at(record, 'requestParameters', 'roleSessionName')],
    ['responseElements.assumedRoleUser.arn', at(record, 'responseElements', 'assumedRoleUser', 'arn')],
  ];
  for (const [by, value] of names) {
    const grant = grantNamed(text(value), known);
    if (grant !== undefined) return { grant, by };
  }
  const key = known.handles.get(text(at(record, 'userIdentity', 'accessKeyId')));
  if (key !== undefined) return { grant: key, by: 'userIdentity.accessKeyId' };
  const tagged = tagOf(record);
  return tagged !== undefined && known.grants.has(tagged) ? { grant: tagged, by: 'the tag writ:grant' } : undefined;
}

function tagOf(record: JsonObject): string | undefined {
  const context = at(record, 'userIdentity', 'sessionContext', 'attributes', 'writ:grant');
  if (typeof context === 'string') return context;
  const tags = at(record, 'requestParameters', 'tags');
  const list: readonly Json[] = Array.isArray(tags) ? tags : [];
  const found = list.find((tag) => isJsonObject(tag) && tag['key'] === 'writ:grant');
  const value = isJsonObject(found) ? found['value'] : undefined;
  return typeof value === 'string' ? value : undefined;
}

function stepOf(record: JsonObject, grant: string, by: string, known: Known): Step {
  const error = text(record['errorCode']);
  const service = text(record['eventSource']);
  const more = ['awsRegion', 'sourceIPAddress', 'userAgent', 'eventID'].flatMap((name) => {
    const value = text(record[name]);
    return value === '' ? [] : [[name, value] as const];
  });
  const parameters = record['requestParameters'];
  return {
    at: instant(text(record['eventTime'])),
    task: known.grants.get(grant),
    kind: 'cloudtrail',
    failed: error !== '',
    title: `${service} ${text(record['eventName'])}${error === '' ? '' : ` (${error})`}`,
    who: text(at(record, 'userIdentity', 'arn')) || text(at(record, 'userIdentity', 'principalId')),
    details: [
      ['grant', grant],
      ['joined by', by],
      ...more,
      ...(isJsonObject(parameters) ? [['requestParameters', JSON.stringify(parameters)] as const] : []),
    ],
    policies: [],
    leaf: undefined,
  };
}

/** A record without a time that can be read is shown first rather than left out. */
export const instant = (given: string): string => (Number.isNaN(Date.parse(given)) ? '1970-01-01T00:00:00Z' : given);

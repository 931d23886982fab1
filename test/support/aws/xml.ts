import type { AwsError } from './errors.ts';
import { iso } from './iso.ts';

export function resultXml(
  namespace: string,
  action: string,
  result: Readonly<Record<string, unknown>>,
  requestId: string,
): string {
  const members = Object.entries(result).map(([name, value]) => element(name, value));
  return (
    `<${action}Response xmlns="${namespace}"><${action}Result>${members.join('')}</${action}Result>` +
    `<ResponseMetadata><RequestId>${requestId}</RequestId></ResponseMetadata></${action}Response>`
  );
}

export function errorXml(namespace: string, { status, code, message }: AwsError, requestId: string): string {
  const error = element('Error', { Type: status < 500 ? 'Sender' : 'Receiver', Code: code, Message: message });
  return `<ErrorResponse xmlns="${namespace}">${error}<RequestId>${requestId}</RequestId></ErrorResponse>`;
}

function element(name: string, value: unknown): string {
  return value === undefined ? '' : `<${name}>${content(value)}</${name}>`;
}

function content(value: unknown): string {
  if (typeof value === 'string') return escape(value);
  if (typeof value === 'number' || typeof value === 'boolean') return String(value);
  if (value instanceof Date) return iso(value);
  if (Array.isArray(value)) return value.map((item) => element('member', item)).join('');
  if (typeof value === 'object' && value !== null) {
    return Object.entries(value)
      .map(([name, member]) => element(name, member))
      .join('');
  }
  throw new Error(`a ${typeof value} has no place in an answer`);
}

function escape(text: string): string {
  return text.replace(/[&<>"'\u0000-\u001f]/gu, (character) => `&#${character.charCodeAt(0)};`);
}

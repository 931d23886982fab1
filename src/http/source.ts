import { isIPv6 } from 'node:net';

/** Groups of an IPv6 address that name a network: whoever has one of its addresses has them all. */
const NETWORK_GROUPS = 4;

/** Whom an address stands for where refusals are counted: an IPv4 address for itself, an IPv6 address for its /64. */
export function sourceOf(address: string): string {
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1];
  if (mapped !== undefined) return mapped;
  if (!isIPv6(address)) return address;
  const [head = '', tail] = (address.split('%')[0] ?? '').toLowerCase().split('::');
  const groups = (text = '') => (text === '' ? [] : text.split(':'));
  const known = groups(tail).flatMap((group) => (group.includes('.') ? [group, group] : [group]));
  const zeros = tail === undefined ? 0 : 8 - groups(head).length - known.length;
  const all = [...groups(head), ...Array<string>(Math.max(0, zeros)).fill('0'), ...known];
  const network = all.slice(0, NETWORK_GROUPS).map((group) => group.replace(/^0+(?=.)/, ''));
  return `${network.join(':')}::/64`;
}

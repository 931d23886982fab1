import { BlockList, isIPv4, isIPv6 } from 'node:net';

/**
 * IPv4 space that is not the public internet (IANA special-purpose registry, RFC 6890), and the metadata address that
 * Azure keeps in public space. The other clouds' metadata addresses lie in link-local, shared or protocol space.
 */
const NOT_PUBLIC_V4 = [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['168.63.129.16', 32],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.0.2.0', 24],
  ['192.88.99.0', 24],
  ['192.168.0.0', 16],
  ['198.18.0.0', 15],
  ['198.51.100.0', 24],
  ['203.0.113.0', 24],
  ['224.0.0.0', 4],
  ['240.0.0.0', 4],
] as const;

/** All that IANA has given out for unicast. Loopback, unique-local, link-local, multicast, mapped and NAT64 lie outside. */
const GLOBAL_V6 = ['2000::', 3] as const;

/** Inside it: protocol assignments with Teredo, documentation, and 6to4, which carries any IPv4 address. */
const NOT_PUBLIC_V6 = [
  ['2001::', 23],
  ['2001:db8::', 32],
  ['2002::', 16],
  ['3fff::', 20],
] as const;

/** Whether an address, as resolution gives it, belongs to the public internet. Anything that is no address does not. */
export type IsPublicAddress = (address: string) => boolean;

export function makeIsPublicAddress(): IsPublicAddress {
  const refused = new BlockList();
  for (const [net, prefix] of NOT_PUBLIC_V4) refused.addSubnet(net, prefix, 'ipv4');
  for (const [net, prefix] of NOT_PUBLIC_V6) refused.addSubnet(net, prefix, 'ipv6');
  const global = new BlockList();
  global.addSubnet(...GLOBAL_V6, 'ipv6');
  return (address) => {
    if (isIPv4(address)) return !refused.check(address, 'ipv4');
    if (isIPv6(address)) return global.check(address, 'ipv6') && !refused.check(address, 'ipv6');
    return false;
  };
}

import { generateKeyPairSync, randomBytes, sign } from 'node:crypto';

export interface TestCertificate {
  /** PEM; its own authority, so it also serves as `ca`. */
  readonly cert: string;
  /** PEM, PKCS #8. */
  readonly key: string;
}

const tlv = (tag: number, ...parts: Buffer[]): Buffer => {
  const body = Buffer.concat(parts);
  const length =
    body.length < 0x80
      ? [body.length]
      : body.length < 0x100
        ? [0x81, body.length]
        : [0x82, body.length >> 8, body.length & 255];
  return Buffer.concat([Buffer.from([tag, ...length]), body]);
};
const sequence = (...parts: Buffer[]) => tlv(0x30, ...parts);
const oid = (hex: string) => tlv(0x06, Buffer.from(hex, 'hex'));
/** `YYMMDDHHMMSSZ`. */
const utcTime = (date: Date) => tlv(0x17, Buffer.from(date.toISOString().slice(2, 19).replace(/[-:T]/g, '') + 'Z'));

const ECDSA_SHA256 = sequence(oid('2a8648ce3d040302'));
const COMMON_NAME = '550403';
const SUBJECT_ALT_NAME = '551d11';
const BASIC_CONSTRAINTS = '551d13';

/** A self-signed certificate for 127.0.0.1 and the given names, valid for an hour around now (RFC 5280 §4.1). */
export function makeCertificate(names: readonly string[] = ['localhost'], now = new Date()): TestCertificate {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const name = sequence(tlv(0x31, sequence(oid(COMMON_NAME), tlv(0x0c, Buffer.from('writ test')))));
  const validity = sequence(...[-1_800_000, 1_800_000].map((ms) => utcTime(new Date(now.getTime() + ms))));
  const altNames = sequence(tlv(0x87, Buffer.from([127, 0, 0, 1])), ...names.map((dns) => tlv(0x82, Buffer.from(dns))));
  const body = sequence(
    tlv(0xa0, tlv(0x02, Buffer.from([2]))),
    tlv(0x02, Buffer.concat([Buffer.from([1]), randomBytes(8)])),
    ECDSA_SHA256,
    name,
    validity,
    name,
    publicKey.export({ format: 'der', type: 'spki' }),
    tlv(
      0xa3,
      sequence(
        sequence(oid(SUBJECT_ALT_NAME), tlv(0x04, altNames)),
        sequence(oid(BASIC_CONSTRAINTS), tlv(0x04, sequence(tlv(0x01, Buffer.from([0xff]))))),
      ),
    ),
  );
  const signature = tlv(0x03, Buffer.from([0]), sign('sha256', body, privateKey));
  const der = sequence(body, ECDSA_SHA256, signature);
  const lines = der.toString('base64').match(/.{1,64}/g) ?? [];
  return {
    cert: `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`,
    key: privateKey.export({ format: 'pem', type: 'pkcs8' }).toString(),
  };
}

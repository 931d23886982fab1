/**
 * `minor(amount, digits)`: an amount in its smallest unit, exactly: `minor(9.99, 2)` is 999, where `9.99 * 100.0` is
 * 999.0000000000001. An amount that has more digits is none. Takes whole numbers, doubles and decimal text.
 * @throws RangeError for what has no such value.
 */
export function minorUnits(amount: number | bigint | string, digits: bigint): bigint {
  const text = String(amount);
  const parts = DECIMAL.exec(text);
  if (!parts || digits < 0n || digits > MAX_DIGITS) throw new RangeError('not an amount');
  const [, sign = '', whole = '', fraction = ''] = parts;
  if (BigInt(fraction.length) > digits) throw new RangeError(`more than ${digits} digits behind the point`);
  return BigInt(`${sign}${whole}${fraction.padEnd(Number(digits), '0')}`);
}

const DECIMAL = /^(-?)([0-9]{1,15})(?:\.([0-9]{1,15}))?$/;
const MAX_DIGITS = 6n;

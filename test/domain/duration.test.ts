import { formatDuration, parseDuration } from '../../src/domain/duration.ts';

test.each([
  ['1s', 1],
  ['90s', 90],
  ['15m', 900],
  ['1h', 3_600],
  ['30d', 2_592_000],
  ['999999999s', 999_999_999],
])('%s is %i seconds', (text, seconds) => {
  expect(parseDuration(text)).toBe(seconds);
  expect(parseDuration(formatDuration(seconds))).toBe(seconds);
});

test.each([
  '',
  '0s',
  '00s',
  '01s',
  '-1s',
  '1.5h',
  '1',
  's',
  '1x',
  '1 s',
  ' 1s',
  '1s ',
  '1s\n',
  '1h30m',
  '1H',
  '1e3s',
  '١s',
  '9999999999s',
])('%j is no duration', (text) => {
  expect(parseDuration(text)).toBeUndefined();
});

test.each([
  [900, '15m'],
  [5_400, '90m'],
  [86_400, '1d'],
  [90_000, '25h'],
  [61, '61s'],
])('%i seconds are written as %s', (seconds, text) => {
  expect(formatDuration(seconds)).toBe(text);
});

import fc from 'fast-check';
import { readJsonDate } from '../../../src/format/json/json-date.ts';

const DAY = 86_400_000;

test.each([
  ['2025-10-12T10:30:00Z', '2025-10-12T10:30:00.000Z', '2025-10-13T10:30:00Z'],
  ['2025-10-12T10:30:00.250Z', '2025-10-12T10:30:00.250Z', '2025-10-13T10:30:00.250Z'],
  ['2025-10-12T10:30:00.5', '2025-10-12T10:30:00.500Z', '2025-10-13T10:30:00.5'],
  ['2025-10-12T10:30:00.123000+00:00', '2025-10-12T10:30:00.123Z', '2025-10-13T10:30:00.123000+00:00'],
  ['2025-10-12T01:30:00+02:00', '2025-10-11T23:30:00.000Z', '2025-10-13T01:30:00+02:00'],
  ['2025-10-12T23:30:00-03:30', '2025-10-13T03:00:00.000Z', '2025-10-13T23:30:00-03:30'],
  ['2025-10-12 10:30:00', '2025-10-12T10:30:00.000Z', '2025-10-13 10:30:00'],
  ['2025-10-12', '2025-10-12T00:00:00.000Z', '2025-10-13'],
  [1_760_265_000, '2025-10-12T10:30:00.000Z', 1_760_351_400],
  [1_760_265_000.25, '2025-10-12T10:30:00.250Z', 1_760_351_400.25],
  [1_760_265_000_000, '2025-10-12T10:30:00.000Z', 1_760_351_400_000],
  [0, '1970-01-01T00:00:00.000Z', 86_400],
])('%p is %s, and the day after is spelled %p', (value, iso, dayAfter) => {
  const date = readJsonDate(value);
  expect(new Date(date?.time ?? NaN).toISOString()).toBe(iso);
  expect(date?.write((date.time || 0) + DAY)).toBe(dayAfter);
});

test('a whole number of seconds stays whole', () => {
  expect(readJsonDate(1_760_265_000)?.write(1_760_351_400_999)).toBe(1_760_351_400);
});

test.each([
  'soon',
  '',
  '2025',
  '2025-10',
  '12.10.2025',
  '2025-13-01',
  '2025-10-12T25:00:00Z',
  '2025-10-12T10:30Z',
  '2025-10-12T10:30:00 Europe/Berlin',
  ' 2025-10-12',
  '2025-10-12\n',
  '1760265000',
  -1,
  1e300,
  ['2025-10-12'],
  true,
  null,
  undefined,
  {},
])('%j is no date that can be read', (value) => {
  expect(readJsonDate(value)).toBeUndefined();
});

test('numbers up to the year 9999 are seconds, larger ones milliseconds', () => {
  expect(readJsonDate(253_402_300_799)?.time).toBe(253_402_300_799_000);
  expect(readJsonDate(253_402_300_800)?.time).toBe(253_402_300_800);
});

test('dates are written from 1970 to 9999 in the zone that they name', () => {
  const first = Date.UTC(1970, 0, 1);
  const last = Date.UTC(9999, 11, 31, 23, 59, 59, 999);
  const utc = readJsonDate('2025-10-12T10:30:00Z');
  expect(utc?.write(first)).toBe('1970-01-01T00:00:00Z');
  expect(utc?.write(first - 1)).toBeUndefined();
  expect(utc?.write(last)).toBe('9999-12-31T23:59:59Z');
  expect(utc?.write(last + 1)).toBeUndefined();
  const east = readJsonDate('2025-10-12T10:30:00+02:00');
  expect(east?.write(first - 3_600_000)).toBe('1970-01-01T01:00:00+02:00');
  expect(east?.write(last)).toBeUndefined();
});

test.each(['9999-12-31', '9999-12-31T23:59:59Z', 253_402_300_799])(
  '%p, which often means never, has no day after in the same spelling',
  (value) => {
    const date = readJsonDate(value);
    expect(date?.write(date.time)).toBe(value);
    expect(date?.write(date.time + DAY)).toBeUndefined();
  },
);

test('a date written is read back as the same moment', () => {
  const time = fc.integer({ min: DAY, max: Date.UTC(9000, 0) });
  const spelling = fc.constantFrom('2025-10-12T10:30:00.000Z', '2025-10-12 10:30:00.000000+05:45', 1_760_265_000_000);
  fc.assert(
    fc.property(time, spelling, (moment, like) => {
      // As milliseconds, a number below 253,402,300,800 would read as seconds.
      fc.pre(typeof like === 'string' || moment >= 253_402_300_800);
      expect(readJsonDate(readJsonDate(like)?.write(moment))?.time).toBe(moment);
    }),
  );
});

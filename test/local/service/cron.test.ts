import awsCronParser from 'aws-cron-parser';
import fc from 'fast-check';
import { nextOccurrence, parseCron } from '../../../src/local/service/cron.ts';

/** The next dates from a moment on. */
function dates(expression: string, after: string, count = 3): string[] {
  const cron = parseCron(expression);
  if (cron === undefined) return ['not valid'];
  const found: string[] = [];
  let moment: number | undefined = Date.parse(`${after}Z`);
  while (found.length < count) {
    moment = nextOccurrence(cron, moment);
    if (moment === undefined) break;
    found.push(new Date(moment).toISOString().slice(0, 16));
  }
  return found;
}

test.each([
  // The examples of "Rotation schedules", AWS Secrets Manager user guide
  ['0 8/8 * * ? *', '2025-01-15T10:00', ['2025-01-15T16:00', '2025-01-16T08:00', '2025-01-16T16:00']],
  ['0 4/12 * * ? *', '2025-01-15T10:00', ['2025-01-15T16:00', '2025-01-16T04:00', '2025-01-16T16:00']],
  ['0 10 * * ? *', '2025-01-15T10:00', ['2025-01-16T10:00', '2025-01-17T10:00', '2025-01-18T10:00']],
  ['0 18 ? * SAT *', '2025-01-15T10:00', ['2025-01-18T18:00', '2025-01-25T18:00', '2025-02-01T18:00']],
  ['0 8 1 * ? *', '2025-01-15T10:00', ['2025-02-01T08:00', '2025-03-01T08:00', '2025-04-01T08:00']],
  ['0 1 ? 1/3 SUN#1 *', '2025-01-15T10:00', ['2025-04-06T01:00', '2025-07-06T01:00', '2025-10-05T01:00']],
  ['0 17 L * ? *', '2025-01-15T10:00', ['2025-01-31T17:00', '2025-02-28T17:00', '2025-03-31T17:00']],
  ['0 8 ? * MON-FRI *', '2025-01-17T10:00', ['2025-01-20T08:00', '2025-01-21T08:00', '2025-01-22T08:00']],
  ['0 16 ? * MON#2 *', '2025-01-15T10:00', ['2025-02-10T16:00', '2025-03-10T16:00', '2025-04-14T16:00']],
  // 1-7 are SUN-SAT
  ['0 0 ? * 1 *', '2025-01-15T10:00', ['2025-01-19T00:00', '2025-01-26T00:00', '2025-02-02T00:00']],
  ['0 0 ? * 7 *', '2025-01-15T10:00', ['2025-01-18T00:00', '2025-01-25T00:00', '2025-02-01T00:00']],
  // Steps, ranges with steps, lists in any order, steps within lists, ranges over the end
  ['*/20 9 * * ? *', '2025-01-15T09:10', ['2025-01-15T09:20', '2025-01-15T09:40', '2025-01-16T09:00']],
  ['5-20/10 9 * * ? *', '2025-01-15T09:10', ['2025-01-15T09:15', '2025-01-16T09:05', '2025-01-16T09:15']],
  ['0 17,9 * * ? *', '2025-01-15T08:00', ['2025-01-15T09:00', '2025-01-15T17:00', '2025-01-16T09:00']],
  ['0/30,45 9 * * ? *', '2025-01-15T08:00', ['2025-01-15T09:00', '2025-01-15T09:30', '2025-01-15T09:45']],
  ['0 9 ? * SAT-SUN *', '2025-01-15T08:00', ['2025-01-18T09:00', '2025-01-19T09:00', '2025-01-25T09:00']],
  ['0 22-2 * * ? *', '2025-01-15T20:00', ['2025-01-15T22:00', '2025-01-15T23:00', '2025-01-16T00:00']],
  ['0 0 1 dec,Jan ? *', '2025-01-15T10:00', ['2025-12-01T00:00', '2026-01-01T00:00', '2026-12-01T00:00']],
  // L, W, #
  ['0 0 L-2 * ? *', '2025-01-15T10:00', ['2025-01-29T00:00', '2025-02-26T00:00', '2025-03-29T00:00']],
  ['0 0 LW * ? *', '2025-05-01T10:00', ['2025-05-30T00:00', '2025-06-30T00:00', '2025-07-31T00:00']],
  ['0 0 1W * ? *', '2025-01-15T10:00', ['2025-02-03T00:00', '2025-03-03T00:00', '2025-04-01T00:00']],
  ['0 0 15W * ? *', '2025-01-15T10:00', ['2025-02-14T00:00', '2025-03-14T00:00', '2025-04-15T00:00']],
  ['0 0 31W * ? *', '2025-01-15T10:00', ['2025-01-31T00:00', '2025-03-31T00:00', '2025-05-30T00:00']],
  ['0 0 ? * 6L *', '2025-01-15T10:00', ['2025-01-31T00:00', '2025-02-28T00:00', '2025-03-28T00:00']],
  ['0 0 ? * FRIL *', '2025-01-31T10:00', ['2025-02-28T00:00', '2025-03-28T00:00', '2025-04-25T00:00']],
  ['0 0 ? * L *', '2025-01-15T10:00', ['2025-01-18T00:00', '2025-01-25T00:00', '2025-02-01T00:00']],
  ['0 0 ? * 2#5 *', '2025-01-15T10:00', ['2025-03-31T00:00', '2025-06-30T00:00', '2025-09-29T00:00']],
  // Leap days, years
  ['0 0 29 2 ? *', '2095-01-15T10:00', ['2096-02-29T00:00', '2104-02-29T00:00', '2108-02-29T00:00']],
  ['0 0 1 1 ? 2027,2030', '2025-01-15T10:00', ['2027-01-01T00:00', '2030-01-01T00:00']],
  ['0 0 31 2 ? *', '2025-01-15T10:00', []],
])('%s after %s', (expression, after, expected) => {
  expect(dates(expression, after)).toEqual(expected);
});

test.each([
  '0 0 1 * MON *',
  '0 0 ? * ? *',
  '0 0 * * * *',
  '0 0 1 * ?',
  '0 0 1 * ? * *',
  '60 0 1 * ? *',
  '0 24 1 * ? *',
  '0 0 0 * ? *',
  '0 0 32 * ? *',
  '0 0 1 13 ? *',
  '0 0 1 0 ? *',
  '0 0 ? * 8 *',
  '0 0 ? * 0 *',
  '0 0 ? * 2#6 *',
  '0 0 ? * 8L *',
  '0 0 0W * ? *',
  '0 0 32W * ? *',
  '0 0 L-31 * ? *',
  '0 0 1 FOO ? *',
  '0 0/0 1 * ? *',
  '0 5x 1 * ? *',
  '0 ,5 1 * ? *',
  '0 ? 1 * ? *',
  '0 0 1 * ? 1969',
  '',
])('%j is no cron expression', (expression) => {
  expect(parseCron(expression)).toBeUndefined();
});

const ordered = (min: number, max: number): fc.Arbitrary<string> =>
  fc
    .uniqueArray(fc.integer({ min, max }), { minLength: 1, maxLength: 4 })
    .map((values) => values.sort((one, other) => one - other).join(','));
const range = (min: number, max: number): fc.Arbitrary<string> =>
  fc.tuple(fc.integer({ min, max }), fc.integer({ min, max })).map((ends) => ends.sort((a, b) => a - b).join('-'));
const field = (min: number, max: number): fc.Arbitrary<string> =>
  fc.oneof(
    fc.constant('*'),
    ordered(min, max),
    range(min, max),
    fc.tuple(fc.constantFrom('*', String(min)), fc.integer({ min: 1, max })).map(([from, step]) => `${from}/${step}`),
  );
const days = fc.oneof(
  fc.tuple(
    // Days from 29 on: the package gives up where the next one is too many months away. A step that comes to 31 is May 1
    // to it, from April 30 on, whatever the months are.
    fc.oneof(
      field(1, 28).map((day) => day.replace(/^.*\//, '1-28/')),
      fc.integer({ min: 1, max: 28 }).map((day) => `${day}W`),
      fc.constant('L'),
    ),
    fc.constant('?'),
  ),
  fc.tuple(
    fc.constant('?'),
    fc.oneof(
      field(1, 7),
      fc.tuple(fc.integer({ min: 1, max: 7 }), fc.integer({ min: 1, max: 4 })).map((pair) => pair.join('#')),
    ),
  ),
);

test('agrees with aws-cron-parser wherever that is right', () => {
  const moments = fc.integer({ min: Date.UTC(2024, 0, 1) / 60_000, max: Date.UTC(2032, 0, 1) / 60_000 });
  fc.assert(
    fc.property(field(0, 59), field(0, 23), days, field(1, 12), moments, (minute, hour, [day, weekday], month, at) => {
      const expression = `${minute} ${hour} ${day} ${month} ${weekday} *`;
      const cron = parseCron(expression);
      const theirs = awsCronParser.next(awsCronParser.parse(expression), new Date(at * 60_000));
      expect(cron === undefined ? 'not valid' : nextOccurrence(cron, at * 60_000)).toBe(theirs?.getTime());
    }),
  );
});

import fc from 'fast-check';
import {
  checkRules,
  daysBetweenRotations,
  nextRotationDate,
  windowOpeningAt,
} from '../../../src/local/service/schedule.ts';
import type { RotationRules } from '../../../src/local/service/state.ts';
import { DAY, HOUR } from '../support/state-machine.ts';

function next(rules: RotationRules, now: string, last?: string): string | undefined {
  const moment = nextRotationDate(rules, {
    last: last === undefined ? undefined : Date.parse(`${last}Z`),
    now: Date.parse(`${now}Z`),
  });
  return moment === undefined ? undefined : new Date(moment).toISOString().slice(0, 16);
}

test.each([
  [
    'days count from the day of the last rotation, at midnight',
    { AutomaticallyAfterDays: 30 },
    '2025-01-15T10:30',
    '2025-01-15T10:30',
    '2025-02-14T00:00',
  ],
  [
    'a rate in days means the same',
    { ScheduleExpression: 'rate(30 days)' },
    '2025-01-15T10:30',
    '2025-01-15T10:30',
    '2025-02-14T00:00',
  ],
  ['one day', { ScheduleExpression: 'rate(1 day)' }, '2025-01-15T23:59', '2025-01-15T23:59', '2025-01-16T00:00'],
  [
    'without a rotation so far, days count from today',
    { AutomaticallyAfterDays: 365 },
    '2025-01-15T10:30',
    undefined,
    '2026-01-15T00:00',
  ],
  [
    'a missed window is followed by the one after',
    { AutomaticallyAfterDays: 10 },
    '2025-02-01T10:00',
    '2025-01-01T10:00',
    '2025-02-10T00:00',
  ],
  [
    'hours count from the hour of the last rotation',
    { ScheduleExpression: 'rate(10 hours)' },
    '2025-01-15T10:30',
    '2025-01-15T10:30',
    '2025-01-15T20:00',
  ],
  [
    'without a rotation so far, hours count from midnight',
    { ScheduleExpression: 'rate(4 hours)' },
    '2025-01-15T10:30',
    undefined,
    '2025-01-15T12:00',
  ],
  [
    'a cron names its dates',
    { ScheduleExpression: 'cron(0 8 1 * ? *)' },
    '2025-01-15T10:30',
    '2025-01-15T10:30',
    '2025-02-01T08:00',
  ],
  ['rules without a schedule have no date', {}, '2025-01-15T10:30', undefined, undefined],
])('%s', (_name, rules, now, last, expected) => {
  expect(next(rules, now, last)).toBe(expected);
});

test('every next date lies ahead, on the hour', () => {
  const rules = fc.oneof(
    fc.integer({ min: 1, max: 1000 }).map((days) => ({ AutomaticallyAfterDays: days })),
    fc.integer({ min: 4, max: 23_976 }).map((hours) => ({ ScheduleExpression: `rate(${hours} hours)` })),
    fc.constant({ ScheduleExpression: 'cron(0 2/10 * * ? *)' }),
  );
  const moments = fc.integer({ min: Date.UTC(2024, 0, 1), max: Date.UTC(2034, 0, 1) });
  fc.assert(
    fc.property(rules, moments, fc.option(moments, { nil: undefined }), (schedule, now, last) => {
      const date = nextRotationDate(schedule, { last, now }) ?? 0;
      expect(date).toBeGreaterThan(now);
      expect(date).toBeGreaterThan(last ?? 0);
      expect(date % HOUR).toBe(0);
    }),
  );
});

test.each([
  ['to the end of the day for days', { AutomaticallyAfterDays: 30 }, 24],
  ['to the end of the day for a cron once a day', { ScheduleExpression: 'cron(0 8 * * ? *)' }, 16],
  ['for an hour for a rate in hours', { ScheduleExpression: 'rate(4 hours)' }, 1],
  ['for an hour for a cron with several hours', { ScheduleExpression: 'cron(0 8/8 * * ? *)' }, 1],
  ['for its Duration', { ScheduleExpression: 'rate(10 days)', Duration: '3h' }, 3],
])('a window is open %s', (_name, rules, hours) => {
  const opens = nextRotationDate(rules, { last: undefined, now: Date.UTC(2025, 0, 15) + HOUR }) ?? 0;
  expect(windowOpeningAt(rules, opens)).toEqual({ opens, closes: opens + hours * HOUR });
});

test.each([
  ['rate(10 hours)', 1],
  ['rate(36 hours)', 2],
  ['rate(10 days)', 10],
  ['cron(0 8 ? * MON *)', 7],
  ['cron(0 8/8 * * ? *)', 1],
])('%s shows as AutomaticallyAfterDays %d', (ScheduleExpression, days) => {
  expect(daysBetweenRotations({ ScheduleExpression }, Date.UTC(2025, 0, 15))).toBe(days);
});

test('without a schedule there are no days between rotations', () => {
  expect(daysBetweenRotations({}, 0)).toBeUndefined();
  expect(daysBetweenRotations({ ScheduleExpression: 'cron(0 0 31 2 ? *)' }, DAY)).toBeUndefined();
});

test.each([
  'rate(4 hours)',
  'rate(1 day)',
  'rate(999 days)',
  'rate(12 hours)',
  'cron(0 8/8 * * ? *)',
  'cron(0 0 ? * SUN#1 *)',
  'cron(0 16 L * ? *)',
  'cron(0 10 ? FEB,MAY,AUG,NOV TUE#2 *)',
])('%s is accepted', (ScheduleExpression) => {
  expect(() => {
    checkRules({ ScheduleExpression });
  }).not.toThrow();
});

test.each([
  'rate(3 hours)',
  'rate(0 days)',
  'rate(1000 days)',
  'rate(5 minutes)',
  'rate(days)',
  'rate(-1 days)',
  'every day',
  'cron(5 8 * * ? *)',
  'cron(0 8 * * ? 2026)',
  'cron(0 8 * * * *)',
  'cron(0 8-10 * * ? *)',
  'cron(0 0,22 * * ? *)',
  'cron(* 8 * * ? *)',
  'cron(0 8 * *)',
])('%s is refused', (ScheduleExpression) => {
  expect(() => {
    checkRules({ ScheduleExpression });
  }).toThrow(`The ScheduleExpression ${ScheduleExpression} is not valid.`);
});

test.each([
  [{ AutomaticallyAfterDays: 30 }, '24h', '25h'],
  [{ ScheduleExpression: 'rate(6 hours)' }, '6h', '7h'],
  [{ ScheduleExpression: 'cron(0 20 * * ? *)' }, '4h', '5h'],
  [{ ScheduleExpression: 'cron(0 2/10 * * ? *)' }, '2h', '3h'],
  [{}, '1h', '0h'],
])('%j takes a Duration of %s, not of %s', (rules, longest, tooLong) => {
  expect(() => {
    checkRules({ ...rules, Duration: longest });
  }).not.toThrow();
  expect(() => {
    checkRules({ ...rules, Duration: tooLong });
  }).toThrow('must not extend into the next UTC day');
});

test('two schedules at once are refused, in recorded words', () => {
  expect(() => {
    checkRules({ AutomaticallyAfterDays: 30, ScheduleExpression: 'rate(30 days)' });
  }).toThrow('You cannot specify both rotation frequency and schedule expression together.');
});

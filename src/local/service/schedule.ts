import { nextOccurrence, parseCron, type Cron } from './cron.ts';
import { invalidParameter } from './service-error.ts';
import type { RotationRules } from './state.ts';

/** "Rotation schedules", user guide; in UTC. The real service rotates within a window, the local one when it opens. */
export interface RotationWindow {
  /** Milliseconds since 1970. */
  readonly opens: number;
  /** The first moment after the window. */
  readonly closes: number;
}

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const HOURS_AT_LEAST = 4;
const DAYS_AT_MOST = 999;

type Schedule =
  | { readonly every: 'days'; readonly count: number }
  | { readonly every: 'hours'; readonly count: number }
  | { readonly every: 'cron'; readonly cron: Cron };

/** After `now`, counted from the last rotation; `undefined` without a schedule or a further date. */
export function nextRotationDate(
  rules: RotationRules,
  { last, now }: { readonly last: number | undefined; readonly now: number },
): number | undefined {
  const schedule = scheduleOf(rules);
  switch (schedule?.every) {
    case undefined:
      return undefined;
    case 'days':
      // "For a rotation schedule that uses a rate() expression in days, the rotation window starts at midnight."
      return nextStep(startOf(DAY, last ?? now), schedule.count * DAY, now);
    case 'hours':
      // "Rotation windows always start on the hour." Without a rotation to count from, at midnight.
      return nextStep(last === undefined ? startOf(DAY, now) : startOf(HOUR, last), schedule.count * HOUR, now);
    case 'cron':
      return nextOccurrence(schedule.cron, Math.max(last ?? now, now));
  }
}

/** `opens`: from `nextRotationDate`. */
export function windowOpeningAt(rules: RotationRules, opens: number): RotationWindow {
  const schedule = scheduleOf(rules);
  const hours = rules.Duration === undefined ? undefined : hoursOf(rules.Duration);
  if (hours !== undefined) return { opens, closes: opens + hours * HOUR };
  // "By default, the window closes after one hour for a schedule in hours, and at the end of the day for one in days."
  const inHours = schedule !== undefined && isInHours(schedule);
  return { opens, closes: inHours ? opens + HOUR : startOf(DAY, opens) + DAY };
}

/** "Calculated from the rotation schedule". Recorded: 1 for rate(10 hours). For cron() on no record: rounded up. */
export function daysBetweenRotations(rules: RotationRules, now: number): number | undefined {
  const schedule = scheduleOf(rules);
  if (schedule === undefined) return undefined;
  if (schedule.every === 'days') return schedule.count;
  if (schedule.every === 'hours') return Math.ceil((schedule.count * HOUR) / DAY);
  const first = nextOccurrence(schedule.cron, now);
  const second = first === undefined ? undefined : nextOccurrence(schedule.cron, first);
  return first === undefined || second === undefined ? undefined : Math.ceil((second - first) / DAY);
}

/** Throws `InvalidParameterException`. Only the wording about two schedules is on record; the rules are documented. */
export function checkRules(rules: RotationRules): void {
  const { AutomaticallyAfterDays: days, ScheduleExpression: expression, Duration: duration } = rules;
  if (days !== undefined && expression !== undefined) {
    throw invalidParameter('You cannot specify both rotation frequency and schedule expression together.');
  }
  const schedule = scheduleOf(rules);
  if (expression !== undefined && (schedule === undefined || !isAllowed(schedule))) {
    throw invalidParameter(`The ScheduleExpression ${expression} is not valid.`);
  }
  if (duration === undefined) return;
  const hours = hoursOf(duration);
  if (hours < 1 || hours > longestWindow(schedule)) {
    throw invalidParameter(
      `The Duration ${duration} is not valid: the rotation window must not extend into the next UTC day or into the next rotation window.`,
    );
  }
}

/** "Must have 0 in the minutes field", "must have * in the year field". */
function isAllowed(schedule: Schedule): boolean {
  switch (schedule.every) {
    case 'days':
      return schedule.count >= 1 && schedule.count <= DAYS_AT_MOST;
    case 'hours':
      return schedule.count >= HOURS_AT_LEAST && schedule.count <= DAYS_AT_MOST * 24;
    case 'cron':
      return hoursApart(schedule.cron) >= HOURS_AT_LEAST;
  }
}

/** "As often as every four hours": the fewest hours between two dates, also over midnight. */
function hoursApart(cron: Cron): number {
  const [first = 0] = cron.hours;
  return Math.min(
    ...cron.hours.map(
      (hour, index) => (cron.hours[index + 1] ?? (cron.hours.length === 1 ? hour + 24 : first + 24)) - hour,
    ),
  );
}

function longestWindow(schedule: Schedule | undefined): number {
  if (schedule?.every === 'hours') return Math.min(schedule.count, 24);
  if (schedule?.every !== 'cron') return 24;
  const untilMidnight = 24 - Math.max(...schedule.cron.hours);
  return Math.min(untilMidnight, hoursApart(schedule.cron));
}

function scheduleOf(rules: RotationRules): Schedule | undefined {
  const expression = rules.ScheduleExpression;
  if (expression === undefined) {
    return rules.AutomaticallyAfterDays === undefined
      ? undefined
      : { every: 'days', count: rules.AutomaticallyAfterDays };
  }
  const rate = /^rate\(\s*([0-9]{1,6})\s+(hours?|days?)\s*\)$/.exec(expression);
  if (rate !== null) return { every: rate[2]?.startsWith('hour') === true ? 'hours' : 'days', count: Number(rate[1]) };
  const fields = /^cron\((.*)\)$/.exec(expression)?.[1];
  if (fields === undefined || !/^\s*0 .* \*\s*$/.test(fields)) return undefined;
  const cron = parseCron(fields);
  return cron === undefined ? undefined : { every: 'cron', cron };
}

function isInHours(schedule: Schedule): boolean {
  return schedule.every === 'hours' || (schedule.every === 'cron' && schedule.cron.hours.length > 1);
}

function hoursOf(duration: string): number {
  return Number(duration.slice(0, -1));
}

function nextStep(from: number, length: number, after: number): number {
  const steps = Math.max(1, Math.floor((after - from) / length) + 1);
  return from + steps * length;
}

function startOf(unit: number, moment: number): number {
  return Math.floor(moment / unit) * unit;
}

/**
 * AWS cron expressions ("Cron expressions reference", Amazon EventBridge): `minutes hours day-of-month month
 * day-of-week year`, in UTC. One of the two day fields must be `?`. The package aws-cron-parser is wrong for unordered
 * lists, steps within lists, `L` as day of the week and `LW`, and reads local time; the tests compare the two where it
 * is right.
 */
export interface Cron {
  readonly minutes: readonly number[];
  readonly hours: readonly number[];
  readonly months: readonly number[];
  readonly years: (year: number) => boolean;
  /** Months are 1-12. */
  readonly day: (year: number, month: number, day: number) => boolean;
}

const MONTHS = ['JAN', 'FEB', 'MAR', 'APR', 'MAY', 'JUN', 'JUL', 'AUG', 'SEP', 'OCT', 'NOV', 'DEC'];
const WEEKDAYS = ['SUN', 'MON', 'TUE', 'WED', 'THU', 'FRI', 'SAT'];
const DAY = 86_400_000;
/** 29 February can be eight years away (2096-2104); with a weekday, 40. */
const YEARS_TO_LOOK = 41;

/** `undefined` if it is not a cron expression. */
export function parseCron(expression: string): Cron | undefined {
  const [minute, hour, dayOfMonth, month, dayOfWeek, year, ...rest] = expression.trim().split(/ +/);
  if (year === undefined || rest.length > 0) return undefined;
  if (minute === undefined || hour === undefined || dayOfMonth === undefined) return undefined;
  if (month === undefined || dayOfWeek === undefined) return undefined;
  const minutes = valuesOf(minute, 0, 59);
  const hours = valuesOf(hour, 0, 23);
  const months = valuesOf(withNumbers(month, MONTHS), 1, 12);
  const years = year === '*' ? undefined : valuesOf(year, 1970, 2199);
  if ((dayOfMonth === '?') === (dayOfWeek === '?')) return undefined;
  const day = dayOfWeek === '?' ? dayOfMonthRule(dayOfMonth) : dayOfWeekRule(dayOfWeek);
  if (minutes === undefined || hours === undefined || months === undefined || day === undefined) return undefined;
  if (year !== '*' && years === undefined) return undefined;
  return { minutes, hours, months, day, years: (candidate) => years?.includes(candidate) ?? true };
}

/** After `after` (milliseconds since 1970); `undefined` if none comes within 40 years. */
export function nextOccurrence(cron: Cron, after: number): number | undefined {
  const first = new Date(Math.floor(after / DAY) * DAY);
  const lastYear = first.getUTCFullYear() + YEARS_TO_LOOK;
  for (let year = first.getUTCFullYear(); year < lastYear; year += 1) {
    if (!cron.years(year)) continue;
    for (const month of cron.months) {
      if (Date.UTC(year, month, 0) < first.getTime()) continue;
      const found = inMonth(cron, year, month, after);
      if (found !== undefined) return found;
    }
  }
  return undefined;
}

function inMonth(cron: Cron, year: number, month: number, after: number): number | undefined {
  for (let day = 1; day <= daysIn(year, month); day += 1) {
    if (Date.UTC(year, month - 1, day + 1) <= after || !cron.day(year, month, day)) continue;
    for (const hour of cron.hours) {
      for (const minute of cron.minutes) {
        const moment = Date.UTC(year, month - 1, day, hour, minute);
        if (moment > after) return moment;
      }
    }
  }
  return undefined;
}

function dayOfMonthRule(field: string): Cron['day'] | undefined {
  const upper = field.toUpperCase();
  if (upper === 'LW') return (year, month, day) => day === nearestWeekday(year, month, daysIn(year, month));
  const fromEnd = /^L(?:-([0-9]{1,2}))?$/.exec(upper);
  if (fromEnd !== null) {
    const before = Number(fromEnd[1] ?? 0);
    return before > 30 ? undefined : (year, month, day) => day === daysIn(year, month) - before;
  }
  const weekday = /^([0-9]{1,2})W$/.exec(upper);
  if (weekday !== null) {
    const wanted = Number(weekday[1]);
    if (wanted < 1 || wanted > 31) return undefined;
    return (year, month, day) => wanted <= daysIn(year, month) && day === nearestWeekday(year, month, wanted);
  }
  const days = valuesOf(field, 1, 31);
  return days === undefined ? undefined : (_year, _month, day) => days.includes(day);
}

function dayOfWeekRule(field: string): Cron['day'] | undefined {
  const numbers = withNumbers(field, WEEKDAYS, 1);
  // L alone is the last day of the week.
  if (numbers === 'L') return (year, month, day) => weekdayOf(year, month, day) === 7;
  const last = /^([1-7])L$/.exec(numbers);
  if (last !== null) {
    const wanted = Number(last[1]);
    return (year, month, day) => weekdayOf(year, month, day) === wanted && day + 7 > daysIn(year, month);
  }
  const nth = /^([1-7])#([1-5])$/.exec(numbers);
  if (nth !== null) {
    const [wanted, which] = [Number(nth[1]), Number(nth[2])];
    return (year, month, day) => weekdayOf(year, month, day) === wanted && Math.ceil(day / 7) === which;
  }
  const days = valuesOf(numbers, 1, 7);
  return days === undefined ? undefined : (year, month, day) => days.includes(weekdayOf(year, month, day));
}

/** The weekday closest to a day, within its month. */
function nearestWeekday(year: number, month: number, day: number): number {
  const isWeekday = (candidate: number): boolean => {
    if (candidate < 1 || candidate > daysIn(year, month)) return false;
    const weekday = weekdayOf(year, month, candidate);
    return weekday !== 1 && weekday !== 7;
  };
  return [day, day - 1, day + 1, day - 2, day + 2].find(isWeekday) ?? day;
}

/** In order, of `*`, `5`, `1-5`, `2/10`, `1-20/5`, and lists of these. */
function valuesOf(field: string, min: number, max: number): readonly number[] | undefined {
  const values = new Set<number>();
  for (const part of field.split(',')) {
    const match = /^(?:(\*)|([0-9]{1,4})(?:-([0-9]{1,4}))?)(?:\/([0-9]{1,4}))?$/.exec(part);
    if (match === null) return undefined;
    const [, all, from, to, step] = match;
    const start = all === undefined ? Number(from) : min;
    const end = lastOf({ start, to, isOpen: all !== undefined || step !== undefined, max });
    const stride = Number(step ?? 1);
    if (start < min || start > max || end > max || end < min || stride < 1) return undefined;
    // FRI-MON runs over the end of the week.
    const length = end >= start ? end - start : end - start + max - min + 1;
    for (let place = 0; place <= length; place += stride) values.add(((start - min + place) % (max - min + 1)) + min);
  }
  return [...values].sort((one, other) => one - other);
}

function lastOf(range: { start: number; to: string | undefined; isOpen: boolean; max: number }): number {
  if (range.to !== undefined) return Number(range.to);
  return range.isOpen ? range.max : range.start;
}

function withNumbers(field: string, names: readonly string[], first = 1): string {
  return field.toUpperCase().replace(/[A-Z]{3}/g, (name) => {
    const index = names.indexOf(name);
    return index < 0 ? name : String(index + first);
  });
}

function daysIn(year: number, month: number): number {
  return new Date(Date.UTC(year, month, 0)).getUTCDate();
}

/** 1-7 = SUN-SAT. */
function weekdayOf(year: number, month: number, day: number): number {
  return new Date(Date.UTC(year, month - 1, day)).getUTCDay() + 1;
}

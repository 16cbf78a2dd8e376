/**
 * The service's own time: the real one plus an offset that only grows, so that a year can pass in a moment. It never runs
 * backwards: where the system's clock is set back, this one continues. All moments are milliseconds since 1970, UTC.
 */
export class Clock {
  readonly #realNow: () => number;
  #offset: number;
  #latest: number;
  #heldAt: number | undefined;

  /** `latest`: a moment that has passed already, such as the last date of a saved state. */
  constructor(realNow: () => number = Date.now, offset = 0, latest = 0) {
    this.#realNow = realNow;
    this.#offset = offset;
    this.#latest = latest;
  }

  now(): number {
    if (this.#heldAt !== undefined) return this.#heldAt;
    const moment = this.#realNow() + this.#offset;
    if (moment < this.#latest) this.#offset += this.#latest - moment;
    else this.#latest = moment;
    return this.#latest;
  }

  /** How far this clock is ahead of the real one, in milliseconds. */
  get offset(): number {
    if (this.#heldAt !== undefined) return this.#heldAt - this.#realNow();
    this.now();
    return this.#offset;
  }

  /** Stops the clock where it is. What happens until `release` happens at the moment that `moveTo` sets. */
  hold(): void {
    this.#heldAt = this.now();
  }

  /** Starts a held clock again, from the moment that it shows. */
  release(): void {
    this.#offset = this.offset;
    this.#heldAt = undefined;
  }

  /** @throws {RangeError} if the moment has passed: time that ran backwards would break every date in the state. */
  moveTo(moment: number): void {
    this.check(moment);
    if (this.#heldAt === undefined) this.#offset += moment - this.now();
    else this.#heldAt = moment;
  }

  /** @throws {RangeError} as `moveTo` would. */
  check(moment: number): void {
    const now = this.now();
    if (!(moment >= now && moment <= LAST_MOMENT)) {
      const range = `from now, ${isoDate(now)}, to ${isoDate(LAST_MOMENT)}`;
      throw new RangeError(`The clock only moves forward, ${range}: asked for ${isoDate(moment)}`);
    }
  }
}

/** The last millisecond of the year 9999: later years do not have four digits, and date formats rely on four. */
export const LAST_MOMENT = Date.UTC(10_000, 0, 1) - 1;
/** The furthest moment that a JavaScript date can name. */
const LAST_DATE = 8.64e15;

/** ISO 8601 in UTC; for a moment that is not a date, what was given. */
export function isoDate(moment: number): string {
  return Math.abs(moment) <= LAST_DATE ? new Date(moment).toISOString() : String(moment);
}

const UNITS: Readonly<Record<string, number>> = { s: 1e3, m: 60e3, h: 3600e3, d: 86_400e3, w: 7 * 86_400e3 };

/**
 * Milliseconds of a duration such as `90s`, `30m`, `4h`, `365d` or `2w`.
 *
 * @throws {RangeError} for anything else.
 */
export function durationInMilliseconds(text: string): number {
  const match = /^(\d{1,9})([smhdw])$/.exec(text);
  const unit = UNITS[match?.[2] ?? ''];
  if (match === null || unit === undefined) {
    throw new RangeError('A duration is a whole number and one of s, m, h, d, w, such as 365d');
  }
  return Number(match[1]) * unit;
}

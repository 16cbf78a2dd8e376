/** The real time plus an offset that only grows. It never runs backwards. Moments are milliseconds since 1970, UTC. */
export class Clock {
  readonly #realNow: () => number;
  #offset: number;
  #latest: number;
  #heldAt: number | undefined;

  /** `latest`: a moment that has passed, such as the last date of a saved state. */
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

  /** Milliseconds by which this clock is ahead of the real one. */
  get offset(): number {
    if (this.#heldAt !== undefined) return this.#heldAt - this.#realNow();
    this.now();
    return this.#offset;
  }

  /** Until `release`, everything happens at the moment that `moveTo` sets. */
  hold(): void {
    this.#heldAt = this.now();
  }

  release(): void {
    this.#offset = this.offset;
    this.#heldAt = undefined;
  }

  /** Throws `RangeError` for a moment that has passed: no date in the state may lie in the future. */
  moveTo(moment: number): void {
    this.check(moment);
    if (this.#heldAt === undefined) this.#offset += moment - this.now();
    else this.#heldAt = moment;
  }

  /** Throws as `moveTo` would. */
  check(moment: number): void {
    const now = this.now();
    if (!(moment >= now && moment <= LAST_MOMENT)) {
      const range = `from now, ${isoDate(now)}, to ${isoDate(LAST_MOMENT)}`;
      throw new RangeError(`The clock only moves forward, ${range}: asked for ${isoDate(moment)}`);
    }
  }
}

/** The last millisecond of the year 9999: date formats rely on four digits. */
export const LAST_MOMENT = Date.UTC(10_000, 0, 1) - 1;
/** The furthest moment that a JavaScript date can name. */
const LAST_DATE = 8.64e15;

/** ISO 8601 in UTC; what was given for a moment that is not a date. */
export function isoDate(moment: number): string {
  return Math.abs(moment) <= LAST_DATE ? new Date(moment).toISOString() : String(moment);
}

const UNITS: Readonly<Record<string, number>> = { s: 1e3, m: 60e3, h: 3600e3, d: 86_400e3, w: 7 * 86_400e3 };

/** Reads `90s`, `30m`, `4h`, `365d` or `2w`. Throws `RangeError` for anything else. */
export function durationInMilliseconds(text: string): number {
  const match = /^(\d{1,9})([smhdw])$/.exec(text);
  const unit = UNITS[match?.[2] ?? ''];
  if (match === null || unit === undefined) {
    throw new RangeError('A duration is a whole number and one of s, m, h, d, w, such as 365d');
  }
  return Number(match[1]) * unit;
}

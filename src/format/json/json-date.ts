/** A date as an application wrote it in JSON, with a way to write another one in that form. */
export interface JsonDate {
  /** Milliseconds since 1970. */
  readonly time: number;
  /** `undefined` if the date cannot be written in this form (before 1970, a year above 9999). */
  write(time: number): string | number | undefined;
}

const ISO_8601 =
  /^(?<day>[0-9]{4}-[0-9]{2}-[0-9]{2})(?:(?<separator>[T ])(?<clock>[0-9]{2}:[0-9]{2}:[0-9]{2})(?:\.(?<fraction>[0-9]{1,9}))?(?<zone>Z|[+-][0-9]{2}:[0-9]{2})?)?$/;

/** A number from here on is milliseconds: as seconds it would be after the year 9999. */
const FIRST_MILLISECONDS = 253_402_300_800;

/** The end of the year 9999: most readers take four digits. */
const MAX_MILLISECONDS = 253_402_300_799_999;

/** Reads an ISO 8601 text (UTC without a zone), or seconds or milliseconds since 1970; else `undefined`. */
export function readJsonDate(value: unknown): JsonDate | undefined {
  if (typeof value === 'number') return readEpoch(value);
  return typeof value === 'string' ? readIso(value) : undefined;
}

function readEpoch(value: number): JsonDate | undefined {
  if (!isSpellable(value)) return undefined;
  const unit = value < FIRST_MILLISECONDS ? 1000 : 1;
  const isWhole = Number.isInteger(value);
  return {
    time: value * unit,
    write: (time) => {
      if (!isSpellable(time)) return undefined;
      return isWhole ? Math.floor(time / unit) : time / unit;
    },
  };
}

function readIso(value: string): JsonDate | undefined {
  const groups = ISO_8601.exec(value)?.groups;
  if (groups === undefined) return undefined;
  const { day = '', separator, clock = '00:00:00', fraction, zone } = groups;
  const offset = offsetOf(zone);
  const time = Date.parse(`${day}T${clock}Z`) + Number(`0.${fraction ?? ''}`) * 1000 - offset;
  if (Number.isNaN(time)) return undefined;
  return {
    time,
    write: (other) => {
      if (!isSpellable(other + offset)) return undefined;
      const iso = new Date(other + offset).toISOString();
      if (separator === undefined) return iso.slice(0, 10);
      const digits =
        fraction === undefined ? '' : `.${iso.slice(20, 23).padEnd(fraction.length, '0').slice(0, fraction.length)}`;
      return `${iso.slice(0, 10)}${separator}${iso.slice(11, 19)}${digits}${zone ?? ''}`;
    },
  };
}

/** Milliseconds by which the zone (`Z`, `+02:00`, none) is ahead of UTC. */
function offsetOf(zone: string | undefined): number {
  if (zone === undefined) return 0;
  // `Z` has no digits, which count as 0.
  const minutes = Number(zone.slice(1, 3)) * 60 + Number(zone.slice(4, 6));
  return (zone.startsWith('-') ? -minutes : minutes) * 60_000;
}

function isSpellable(time: number): boolean {
  return time >= 0 && time <= MAX_MILLISECONDS;
}

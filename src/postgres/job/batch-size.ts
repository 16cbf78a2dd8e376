/** Rows of the first batch, before anything is known of the server. */
export const FIRST_BATCH = 200;

/** Fewer rows would cost more for their transaction than for themselves. */
const FEWEST_ROWS = 10;

export interface BatchTime {
  readonly rows: number;
  readonly isFull: boolean;
  readonly milliseconds: number;
}

/** Grows and shrinks by a half at most: one slow commit says little, a busy server says it again. */
export function batchSize({ rows, isFull, milliseconds }: BatchTime, former: number, target: number): number {
  const fitting = (rows * target) / Math.max(1, milliseconds);
  if (fitting < former && milliseconds > target)
    return Math.max(FEWEST_ROWS, Math.floor(Math.max(fitting, former / 2)));
  if (!isFull) return former;
  return Math.max(former, Math.floor(Math.min(fitting, former * 1.5)));
}

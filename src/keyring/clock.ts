import { performance } from 'node:perf_hooks';

/** The clocks and timers that a ring uses. Tests replace them. */
export interface RingClock {
  /** Milliseconds since 1970. The wall clock can be set back. */
  readonly wall: () => number;
  /** Milliseconds since an arbitrary moment. It never goes back, but may stop while the machine sleeps. */
  readonly monotonic: () => number;
  /**
   * Calls `act` once, after `milliseconds`. Returns a function that cancels the call. A `background` timer does not
   * keep the process running.
   */
  readonly schedule: (act: () => void, milliseconds: number, background: boolean) => () => void;
}

export const systemClock: RingClock = {
  wall: () => Date.now(),
  monotonic: () => performance.now(),
  schedule: (act, milliseconds, background) => {
    const timer = setTimeout(act, milliseconds);
    if (background) timer.unref();
    return () => {
      clearTimeout(timer);
    };
  },
};

export interface Moment {
  readonly wall: number;
  readonly monotonic: number;
}

export function momentNow(clock: RingClock): Moment {
  return { wall: clock.wall(), monotonic: clock.monotonic() };
}

/**
 * Milliseconds since `moment`. The larger of the two clocks counts, because a wall clock that was set back, or a
 * monotonic clock that slept, must not make a key look young.
 */
export function millisecondsSince(moment: Moment, clock: RingClock): number {
  return millisecondsBetween(moment, clock.wall(), clock.monotonic());
}

/** Milliseconds from `moment` to the given readings of both clocks; the larger difference counts. */
export function millisecondsBetween(moment: Moment, wall: number, monotonic: number): number {
  return Math.max(wall - moment.wall, monotonic - moment.monotonic);
}

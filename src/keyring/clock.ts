import { performance } from 'node:perf_hooks';

export interface RingClock {
  /** Milliseconds since 1970. It can be set back. */
  readonly wall: () => number;
  /** Milliseconds since an arbitrary moment. It never goes back, but may stop while the machine sleeps. */
  readonly monotonic: () => number;
  /** Returns a function that cancels the call. A `background` timer does not keep the process running. */
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

/** The larger difference of both clocks: one that was set back or has slept must not make a key look young. */
export function millisecondsSince(moment: Moment, clock: RingClock): number {
  return millisecondsBetween(moment, clock.wall(), clock.monotonic());
}

/** As `millisecondsSince`, for readings taken before. */
export function millisecondsBetween(moment: Moment, wall: number, monotonic: number): number {
  return Math.max(wall - moment.wall, monotonic - moment.monotonic);
}

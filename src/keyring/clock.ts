import { performance } from 'node:perf_hooks';

/** The time as a ring sees it; given by a test, moved by it. */
export interface RingClock {
  /** Milliseconds since 1970. Somebody may set it back. */
  readonly wall: () => number;
  /** Milliseconds since some moment. Only grows, but may stand still while the machine sleeps. */
  readonly monotonic: () => number;
  /**
   * Calls `act` once, `milliseconds` from now, and returns what calls that off. `background`: the wait does not keep
   * the process from ending.
   */
  readonly schedule: (act: () => void, milliseconds: number, background: boolean) => () => void;
}

/** The clocks and timers of this machine. */
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

/** A moment, by both clocks. */
export interface Moment {
  readonly wall: number;
  readonly monotonic: number;
}

export function momentNow(clock: RingClock): Moment {
  return { wall: clock.wall(), monotonic: clock.monotonic() };
}

/**
 * Milliseconds since a moment, by the clock that says more: a wall clock that was set back must not make a key look
 * young, and neither must a monotonic one that slept.
 */
export function millisecondsSince(moment: Moment, clock: RingClock): number {
  return millisecondsBetween(moment, clock.wall(), clock.monotonic());
}

/** The same, up to the moment of two readings. */
export function millisecondsBetween(moment: Moment, wall: number, monotonic: number): number {
  return Math.max(wall - moment.wall, monotonic - moment.monotonic);
}

import type { ErrorCode } from '../../../src/format/error.ts';
import { rejectionOf } from '../../keyring/support/rejection-of.ts';
import { ringWith, type RingVersion, type TestRing } from '../../support/ring.ts';

/** A ring whose rotation has begun: its pending version has no value yet. */
export async function begun(...versions: readonly (RingVersion | number)[]): Promise<TestRing> {
  const ring = await ringWith(...versions);
  await ring.begin();
  return ring;
}

/**
 * The Lambda refuses `act` with this code, says all of this, and has not asked for one change that the service
 * accepted.
 */
export async function refuses(ring: TestRing, act: () => Promise<void>, code: ErrorCode, ...says: readonly string[]) {
  ring.service.calls.clear();
  const before = ring.snapshot;
  const error = await rejectionOf(act());
  expect(error).toMatchObject({ code });
  for (const words of says) expect(error.message).toContain(words);
  expect(ring.writes).toEqual([]);
  expect(ring.snapshot).toBe(before);
}

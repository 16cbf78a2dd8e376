import { runRetire } from '../../../src/cli/commands/retire.ts';
import type { CommandDependencies } from '../../../src/cli/aws/operator.ts';
import { HOUR } from '../../local/support/state-machine.ts';
import { ringWith, type RingVersion, type TestRing } from '../../support/ring.ts';
import { counting, numbers, operatorOf } from './operator.ts';

/** A ring that has not changed for more than a day. */
export async function settledRing(...versions: readonly (RingVersion | number)[]): Promise<TestRing> {
  const ring = await ringWith(...versions);
  await ring.service.advance(25 * HOUR);
  return ring;
}

/** Retires keys that no row needs. */
export const retire = (ring: TestRing, ...which: readonly number[]) =>
  runRetire(operatorOf(ring).deps, counting(), { numbers: numbers(...which) });

/** An operator who is killed before any label goes. */
export const killedBetween = (ring: TestRing): CommandDependencies =>
  operatorOf(ring, (secrets) => ({
    ...secrets,
    updateSecretVersionStage: () => Promise.reject(new Error('killed')),
  })).deps;

/** An operator during whose question something happens. */
export function interrupted(ring: TestRing, happens: () => Promise<void>) {
  const { deps, changes } = operatorOf(ring);
  return { deps: { ...deps, confirm: happens }, changes };
}

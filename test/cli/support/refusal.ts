import type { CommandDependencies } from '../../../src/cli/aws/operator.ts';
import type { ErrorCode } from '../../../src/format/error.ts';
import type { TestRing } from '../../support/ring.ts';
import { operatorOf, saidBy } from './operator.ts';

/** Runs a command that has to be refused, and compares the secret before and after, to the last label, tag and date. */
export async function refusesUntouched(
  ring: TestRing,
  command: (deps: CommandDependencies) => Promise<unknown>,
  code: ErrorCode | undefined,
  ...says: readonly string[]
): Promise<void> {
  const before = ring.snapshot;
  const { deps, changes } = operatorOf(ring);
  const error: unknown = await command(deps).then(
    () => new Error('it was not refused'),
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof Error)) throw new Error('it threw no error');
  expect('code' in error ? error.code : undefined).toBe(code);
  for (const words of says) expect(saidBy(error)).toContain(words);
  expect(changes).toEqual([]);
  expect(ring.snapshot).toBe(before);
}

import { runRestore } from '../../../src/cli/commands/restore.ts';
import { runStatus } from '../../../src/cli/commands/status.ts';
import { recommended } from '../../../src/cli/status/notes.ts';
import { step } from '../../../src/cli/suggested-commands.ts';
import { runMaintain } from '../../../src/cli/ring/maintenance.ts';
import { KeyRotationError } from '../../../src/format/error.ts';
import { toKeyNumber } from '../../../src/format/key-number.ts';
import { stopServices } from '../../local/support/running-service.ts';
import { HOUR } from '../../local/support/state-machine.ts';
import { current, previous, type TestRing } from '../../support/ring.ts';
import { counting, operatorOf } from '../support/operator.ts';
import { retire, settledRing } from '../support/retiring.ts';

afterEach(stopServices);

/** Key 1 was retired a minute ago, and its `restore` was killed before it removed the record. */
async function interruptedRestore(): Promise<TestRing> {
  const ring = await settledRing(1, previous(2), current(3));
  await ring.enableRotation();
  await ring.service.advance(25 * HOUR);
  await retire(ring, 1);
  await ring.service.advance(60_000);
  const { deps } = operatorOf(ring, (secrets) => ({
    ...secrets,
    untagResource: () => Promise.reject(new KeyRotationError('CANNOT_REACH_AWS', 'killed')),
  }));
  await expect(runRestore(deps, toKeyNumber(1))).rejects.toMatchObject({ code: 'CANNOT_REACH_AWS' });
  expect(ring.labels[1]).toBe('key-v1');
  return ring;
}

const rows = { leftByLast: () => Promise.resolve(0), reencrypt: () => Promise.resolve([]), census: counting() };

describe('a restore that was interrupted right after the retirement', () => {
  test('is left to a person by maintain, and can be finished', async () => {
    const ring = await interruptedRestore();
    const { retired, next } = await runMaintain(operatorOf(ring).deps, rows, { keep: 2, retire: 'do' });
    expect(retired).toEqual([]);
    expect(next[0]).toMatchObject({ code: 'retirement-unfinished', needsPerson: true });
    await runRestore(operatorOf(ring).deps, toKeyNumber(1));
    expect(ring.labels[1]).toBe('key-v1');
    expect(ring.secret.tags).toEqual([]);
  });

  test('is no half of a retirement: that waits for a whole day again', async () => {
    const ring = await interruptedRestore();
    await expect(retire(ring, 1)).rejects.toMatchObject({ code: 'TOO_EARLY_TO_RETIRE' });
    await ring.service.advance(25 * HOUR);
    await retire(ring, 1);
    expect(ring.labels[1]).toBe('');
  });
});

test('a restore that ended before it attached the label is urgent, and status, doctor and maintain say so', async () => {
  const ring = await settledRing(1, previous(2), current(3));
  await ring.enableRotation();
  await ring.service.advance(25 * HOUR);
  await retire(ring, 1);
  const { deps } = operatorOf(ring, (secrets) => ({
    ...secrets,
    updateSecretVersionStage: () => Promise.reject(new KeyRotationError('CANNOT_REACH_AWS', 'killed')),
  }));
  await expect(runRestore(deps, toKeyNumber(1))).rejects.toMatchObject({ code: 'CANNOT_REACH_AWS' });
  const status = await runStatus(operatorOf(ring).deps);
  expect(status.notes[0]).toMatchObject({ code: 'restore-unfinished', weight: 'warning' });
  expect(recommended(status.notes)).toEqual(step('restore', '1'));
  const { next } = await runMaintain(operatorOf(ring).deps, rows, { keep: 2, retire: 'do' });
  expect(next[0]).toMatchObject({ code: 'restore-unfinished', needsPerson: true });
  await runRestore(operatorOf(ring).deps, toKeyNumber(1));
  expect(ring.labels[1]).toBe('key-v1');
  expect((await runStatus(operatorOf(ring).deps)).notes).toEqual([]);
});

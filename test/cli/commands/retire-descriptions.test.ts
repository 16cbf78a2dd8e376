import { runRestore } from '../../../src/cli/commands/restore.ts';
import { runRetire } from '../../../src/cli/commands/retire.ts';
import { toKeyNumber } from '../../../src/format/key-number.ts';
import { stopServices } from '../../local/support/running-service.ts';
import { HOUR } from '../../local/support/state-machine.ts';
import { current, previous } from '../../support/ring.ts';
import { counting, numbers, operatorOf } from '../support/operator.ts';
import { describeSecret, firstSeeing } from '../support/old-descriptions.ts';
import { retire, settledRing } from '../support/retiring.ts';

afterEach(stopServices);

describe('retire, where a description is older than a write,', () => {
  test('is not done until a description shows that every label is gone', async () => {
    const ring = await settledRing(1, 2, previous(3), current(4));
    const before = await describeSecret(ring);
    const { deps } = operatorOf(ring, (secrets) => ({
      ...secrets,
      describeSecret: async (input) => {
        const now = await secrets.describeSecret(input);
        const second = ring.idOf(2);
        return {
          ...now,
          VersionIdsToStages: { ...now.VersionIdsToStages, [second]: before.VersionIdsToStages?.[second] ?? [] },
        };
      },
    }));
    await expect(runRetire(deps, counting(), { numbers: numbers(1, 2) })).rejects.toMatchObject({
      code: 'NOT_SEEN_YET',
      message: expect.stringContaining(
        `Retired: key 1 (version ${ring.idOf(1)}), key 2 (version ${ring.idOf(2)}).`,
      ) as string,
    });
  });

  test('does not attach its own labels again, where a description lacks their records', async () => {
    const ring = await settledRing(1, previous(2), current(3));
    let looksSince = 0;
    const { deps, changes } = operatorOf(ring, (secrets) => ({
      ...secrets,
      updateSecretVersionStage: (input) => {
        looksSince = 1;
        return secrets.updateSecretVersionStage(input);
      },
      describeSecret: async (input) => {
        const described = await secrets.describeSecret(input);
        return looksSince > 0 && (looksSince += 1) === 2 ? { ...described, Tags: [] } : described;
      },
    }));
    await runRetire(deps, counting(), { numbers: numbers(1) });
    expect(changes.map(({ change }) => change)).toEqual(['tag-set', 'label-detached']);
    expect(ring.labels).toMatchObject({ 1: '' });
  });

  test.each([[[1]], [[1, 2]]])('of %j is decided by a second look, where the first shows key 1 gone', async (which) => {
    const ring = await settledRing(1, 2, previous(3), current(4));
    await retire(ring, 1);
    const retired = await describeSecret(ring);
    await runRestore(operatorOf(ring).deps, toKeyNumber(1));
    await ring.service.advance(25 * HOUR);
    const result = await runRetire(firstSeeing(ring, retired), counting(), { numbers: numbers(...which) });
    expect(result).toMatchObject({ alreadyRetired: [] });
    expect(result.retired.map(({ number }) => number)).toEqual(which);
  });
});

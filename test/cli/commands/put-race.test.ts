import { runAdopt } from '../../../src/cli/commands/adopt.ts';
import { INCOMING_LABEL } from '../../../src/format/ring-labels.ts';
import { runPut, runPutNotCurrent } from '../../../src/cli/commands/put.ts';
import { runRetire } from '../../../src/cli/commands/retire.ts';
import { runStatus } from '../../../src/cli/commands/status.ts';
import { noCensus } from '../../../src/cli/rows/row-count.ts';
import type { OperatorSecrets } from '../../../src/cli/aws/operator.ts';
import { stopServices } from '../../local/support/running-service.ts';
import { current, keyOf, previous, ringWith, type TestRing } from '../../support/ring.ts';
import { Rows } from '../../support/rows.ts';
import { step } from '../../../src/cli/suggested-commands.ts';
import { numbers, operatorOf, valueOf } from '../support/operator.ts';

afterEach(stopServices);

const putByHand = (ring: TestRing, place: number) => ring.put(keyOf(place).toString('base64'));

/** Something happens right after a value is stored, before anybody hears of it. */
const afterStoring =
  (happens: () => Promise<void>) =>
  (secrets: OperatorSecrets): OperatorSecrets => ({
    ...secrets,
    putSecretValue: async (input) => {
      const output = await secrets.putSecretValue(input);
      await happens();
      return output;
    },
  });

describe('put does what was agreed to, or nothing', () => {
  test.each<[string, (ring: TestRing) => Promise<void>, string]>([
    ['another key becomes current', (ring) => putByHand(ring, 21), 'STATE_CHANGED'],
    [
      'a rotation begins',
      async (ring) => {
        await ring.begin();
        await ring.step('createSecret');
      },
      'ROTATION_UNDER_WAY',
    ],
    [
      'the ring fills up',
      async (ring) => {
        for (let label = 1; label <= 15; label += 1) await ring.label(`foreign-${label}`, 1);
      },
      'RING_FULL',
    ],
  ])('where %s during the question', async (_, happens, code) => {
    const ring = await ringWith(previous(1), current(2));
    const { deps, changes } = operatorOf(ring);
    await expect(runPut({ ...deps, confirm: () => happens(ring) }, valueOf(9))).rejects.toMatchObject({ code });
    expect(changes).toEqual([]);
  });

  test('where someone else puts the same key during the question, which is then done', async () => {
    const ring = await ringWith(current(1));
    const { deps } = operatorOf(ring);
    expect(await runPut({ ...deps, confirm: () => putByHand(ring, 9) }, valueOf(9))).toMatchObject({
      versionId: ring.idOf(2),
      number: 2,
      isCurrent: true,
      wasThere: true,
    });
    expect(Object.keys(ring.labels)).toHaveLength(2);
  });
});

describe('put numbers and names the version that it stored,', () => {
  test.each([
    ['put', runPut, { number: 3, isCurrent: true }, 'AWSCURRENT key-v3'],
    ['put --not-current', runPutNotCurrent, { number: 3, isCurrent: false }, 'key-v3'],
  ])('where DescribeSecret does not show it yet: %s', async (_, run, result, labels) => {
    const ring = await ringWith(previous(1), current(2));
    let staleReadings = 0;
    let before: Awaited<ReturnType<OperatorSecrets['describeSecret']>> | undefined;
    const { deps } = operatorOf(ring, (secrets) => ({
      ...secrets,
      describeSecret: async (input) => {
        staleReadings -= 1;
        if (staleReadings >= 0 && before !== undefined) return before;
        before = await secrets.describeSecret(input);
        return before;
      },
      putSecretValue: async (input) => {
        const output = await secrets.putSecretValue(input);
        staleReadings = 5;
        return output;
      },
    }));
    expect(await run(deps, valueOf(9))).toEqual({ versionId: ring.idOf(3), wasThere: false, ...result });
    expect(ring.labels).toMatchObject({ 3: labels });
  });

  test('where two others have pushed it out of every label at once', async () => {
    const ring = await ringWith(current(1));
    const rows = new Rows(ring);
    const { deps } = operatorOf(
      ring,
      afterStoring(async () => {
        await rows.write();
        for (const place of [21, 22]) await putByHand(ring, place);
      }),
    );
    expect(await runPut(deps, valueOf(9))).toMatchObject({ versionId: ring.idOf(2), isCurrent: false });
    expect(ring.labels[2]).toMatch(/^key-v[0-9]+$/);
    expect(await rows.unreadable()).toEqual([]);
  });

  test('where another put --not-current has taken key-incoming from it', async () => {
    const ring = await ringWith(current(1));
    const another = () => ring.put(keyOf(21).toString('base64'), undefined, [INCOMING_LABEL]);
    const { deps } = operatorOf(ring, afterStoring(another));
    expect(await runPutNotCurrent(deps, valueOf(9))).toMatchObject({ versionId: ring.idOf(2), isCurrent: false });
    expect(ring.labels[2]).toMatch(/^key-v[0-9]+$/);
    expect(ring.labels[3]).toMatch(/^key-v[0-9]+$/);
  });
});

test('put gives no new number to a version that others have numbered, left and retired before it could', async () => {
  const ring = await ringWith(current(1));
  const others = async () => {
    await runAdopt(operatorOf(ring).deps, {});
    for (let rotation = 1; rotation <= 2; rotation += 1) await ring.rotate();
    await runRetire(operatorOf(ring).deps, noCensus, { numbers: numbers(2), force: true });
  };
  const { deps } = operatorOf(ring, afterStoring(others));
  await expect(runPut(deps, valueOf(9))).rejects.toMatchObject({ code: 'VERSION_IS_RETIRED' });
  expect(ring.labels).toMatchObject({ 2: '' });
});

test('three puts at once, of which the first is killed: status names its version, and adopt --version-id rescues it', async () => {
  const ring = await ringWith(current(1));
  const rows = new Rows(ring);
  const { deps } = operatorOf(
    ring,
    afterStoring(async () => {
      await rows.write();
      // The other two have made their checks before.
      for (const place of [21, 22]) await putByHand(ring, place);
      throw new Error('killed');
    }),
  );
  await expect(runPut(deps, valueOf(9))).rejects.toThrow();
  await runAdopt(operatorOf(ring).deps, {});
  expect(await rows.unreadable()).toEqual([1]);

  const versionId = ring.idOf(2);
  const { notes } = await runStatus(operatorOf(ring).deps);
  expect(notes.find(({ code }) => code === 'version-without-label')).toMatchObject({
    text: expect.stringContaining(versionId) as string,
    next: [step('adopt', '--version-id', versionId)],
  });
  await runAdopt(operatorOf(ring).deps, { versionId });
  expect(await rows.unreadable()).toEqual([]);
});

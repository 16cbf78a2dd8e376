import type { DescribeSecretResponse } from '@aws-sdk/client-secrets-manager';
import { ringLabels } from '../../src/format/ring-labels.ts';
import type { StepDependencies } from '../../src/secret/dependencies.ts';
import { keepNumbers } from '../../src/secret/numbering.ts';

type Stages = Record<string, string[]>;

const SEEN = ringLabels({ one: ['key-v1'], two: ['key-v2', 'AWSCURRENT'] });

/** A service that describes the secret so, and notes the labels that are put back. */
function serviceWith(...secrets: readonly [DescribeSecretResponse, ...DescribeSecretResponse[]]) {
  const attached: string[] = [];
  const log: string[] = [];
  let looks = 0;
  const refuse = () => Promise.reject(new Error('no one expects this call'));
  const deps: StepDependencies = {
    secretId: 'secret',
    secrets: {
      describeSecret: () => {
        looks += 1;
        return Promise.resolve(secrets[Math.min(looks, secrets.length) - 1] ?? secrets[0]);
      },
      getSecretValue: refuse,
      putSecretValue: refuse,
      updateSecretVersionStage: ({ VersionStage = '', MoveToVersionId = '', RemoveFromVersionId }) => {
        attached.push(`${VersionStage} on ${MoveToVersionId}${RemoveFromVersionId === undefined ? '' : ' taken'}`);
        return Promise.resolve({});
      },
    },
    log: (event) => log.push(event),
    randomKey: () => new Uint8Array(32),
    now: () => new Date(0),
    sleep: () => Promise.resolve(),
    remainingTime: () => 60_000,
    proven: new Set(),
  };
  return { deps, attached, log, looks: () => looks };
}

test('a numbering label that got lost is put back on its version', async () => {
  const { deps, attached } = serviceWith({ VersionIdsToStages: { one: [], two: ['key-v2', 'AWSCURRENT'] } });
  await keepNumbers(deps, SEEN);
  expect(attached).toEqual(['key-v1 on one']);
});

test('a label that only an old description lacks is neither attached nor reported', async () => {
  const old = { VersionIdsToStages: { one: ['key-v1'], two: ['AWSCURRENT'] } };
  const { deps, attached, log, looks } = serviceWith(old, { VersionIdsToStages: SEEN.stages as Stages });
  await keepNumbers(deps, SEEN);
  expect([attached, log, looks()]).toEqual([[], [], 2]);
});

test('a label that is gone in two descriptions is put back, and reported', async () => {
  const { deps, attached, log } = serviceWith({ VersionIdsToStages: { one: [], two: ['key-v2', 'AWSCURRENT'] } });
  await keepNumbers(deps, SEEN);
  expect([attached, log]).toEqual([['key-v1 on one'], ['number_put_back']]);
});

test('where nothing is lost one description is enough', async () => {
  const { deps, looks } = serviceWith({ VersionIdsToStages: SEEN.stages as Stages });
  await keepNumbers(deps, SEEN);
  expect(looks()).toBe(1);
});

test('the label of a key that was retired meanwhile stays away', async () => {
  const { deps, attached } = serviceWith({
    VersionIdsToStages: { two: ['key-v2', 'AWSCURRENT'] },
    Tags: [{ Key: 'pazpaz:retired:key-v1', Value: 'one 2026-01-01T00:00:00.000Z' }],
  });
  await keepNumbers(deps, SEEN);
  expect(attached).toEqual([]);
});

test('a tag that names another version retires nothing here', async () => {
  const { deps, attached } = serviceWith({
    VersionIdsToStages: { two: ['key-v2', 'AWSCURRENT'] },
    Tags: [{ Key: 'pazpaz:retired:key-v1', Value: 'other 2026-01-01T00:00:00.000Z' }],
  });
  await keepNumbers(deps, SEEN);
  expect(attached).toEqual(['key-v1 on one']);
});

test('a tag that names another version and was just written does: a move has given the number that version', async () => {
  const { deps, attached } = serviceWith({
    VersionIdsToStages: { two: ['key-v2', 'AWSCURRENT'] },
    Tags: [{ Key: 'pazpaz:retired:key-v1', Value: 'other 1970-01-01T00:10:00.000Z' }],
  });
  await keepNumbers(deps, SEEN);
  expect(attached).toEqual([]);
});

test('a tag of another number of the version retires nothing here', async () => {
  const { deps, attached } = serviceWith({
    VersionIdsToStages: { two: ['key-v2', 'AWSCURRENT'] },
    Tags: [{ Key: 'pazpaz:retired:key-v9', Value: 'one 2026-01-01T00:00:00.000Z' }],
  });
  await keepNumbers(deps, SEEN);
  expect(attached).toEqual(['key-v1 on one']);
});

test('a retired number that names another version now fails loudly, too', async () => {
  const { deps } = serviceWith({
    VersionIdsToStages: { two: ['key-v2', 'key-v1'] },
    Tags: [{ Key: 'pazpaz:retired:key-v1', Value: 'one 2026-01-01T00:00:00.000Z' }],
  });
  await expect(keepNumbers(deps, SEEN)).rejects.toMatchObject({ code: 'NUMBER_LOST' });
});

test('a secret that cannot be described is no reason to attach anything', async () => {
  const { deps, attached } = serviceWith({});
  const refused = Object.assign(new Error('You may not'), { name: 'AccessDeniedException', $fault: 'client' });
  const secrets = { ...deps.secrets, describeSecret: () => Promise.reject(refused) };
  await expect(keepNumbers({ ...deps, secrets }, SEEN)).rejects.toMatchObject({
    code: 'AWS_REFUSED',
    message: expect.stringContaining('DescribeSecret') as string,
  });
  expect(attached).toEqual([]);
});

test('a number that the step gave itself is kept like those that it saw', async () => {
  const { deps, attached } = serviceWith({ VersionIdsToStages: { one: ['key-v1'], two: ['key-v2'], three: [] } });
  await keepNumbers(deps, SEEN, ringLabels({ ...SEEN.stages, three: ['key-v3'] }));
  expect(attached).toEqual(['key-v3 on three']);
});

test('a number that names another version now fails loudly, and is not taken from it', async () => {
  const { deps, attached } = serviceWith({ VersionIdsToStages: { one: [], two: ['key-v2', 'key-v1'] } });
  await expect(keepNumbers(deps, SEEN)).rejects.toMatchObject({ code: 'NUMBER_LOST' });
  expect(attached).toEqual([]);
});

test('a number may be on another version by now, if that has the very same key', async () => {
  const moved = { VersionIdsToStages: { copy: ['key-v1'], two: ['key-v2', 'AWSCURRENT'] } };
  const holding = (other: string): StepDependencies => {
    const { deps } = serviceWith(moved);
    const values: Record<string, string> = { one: keyOf('a'), copy: keyOf(other) };
    const getSecretValue: StepDependencies['secrets']['getSecretValue'] = ({ VersionId = '' }) =>
      Promise.resolve({ SecretString: values[VersionId] ?? '' });
    return { ...deps, secrets: { ...deps.secrets, getSecretValue } };
  };
  await expect(keepNumbers(holding('a'), SEEN)).resolves.toBeUndefined();
  await expect(keepNumbers(holding('b'), SEEN)).rejects.toMatchObject({ code: 'NUMBER_LOST' });
});

function keyOf(letter: string): string {
  return Buffer.alloc(32, letter).toString('base64');
}

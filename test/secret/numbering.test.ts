import { ringLabels, type RingLabels } from '../../src/format/ring-labels.ts';
import { fromFreshState } from '../../src/secret/fresh-ring.ts';
import { moveLabel } from '../../src/secret/move-label.ts';
import { attachNextNumber, requireFreeSlots } from '../../src/secret/numbering.ts';
import { errorOf } from '../format/support/error-of.ts';
import { rejectionOf } from '../keyring/support/rejection-of.ts';
import { stopServices } from '../local/support/running-service.ts';
import { current, previous, ringWith, SECRET, type TestRing } from '../support/ring.ts';

afterEach(stopServices);

/** A secret's dependencies; its labels are moved by `move`, where one is given. */
function depsOf(ring: TestRing, move = ring.deps.secrets.updateSecretVersionStage) {
  const { deps } = ring;
  return { ...deps, secretId: SECRET, secrets: { ...deps.secrets, updateSecretVersionStage: move } };
}

const refusing = (name: string) => () =>
  Promise.reject(Object.assign(new Error('the service says no.'), { name, $fault: 'client' }));

test('the next number is attached, and logged', async () => {
  const ring = await ringWith(previous(1), current());
  const { VersionIdsToStages } = await ring.deps.secrets.describeSecret({ SecretId: SECRET });
  const after = await attachNextNumber(depsOf(ring), ringLabels(VersionIdsToStages), ring.idOf(2));
  expect(after.numberOf.get(ring.idOf(2))).toBe(2);
  expect(ring.labels).toEqual({ 1: 'AWSPREVIOUS key-v1', 2: 'AWSCURRENT key-v2' });
  expect(ring.log).toEqual([{ event: 'key_numbered', keyNumber: 2, versionId: ring.idOf(2) }]);
});

describe('a label that cannot be moved', () => {
  const move = { label: 'key-v2', to: 'two' };

  test.each(['InvalidParameterException', 'InvalidRequestException', 'ResourceNotFoundException'])(
    'is a conflict where the service says %s, and keeps what the service said',
    async (name) => {
      const error = await rejectionOf(moveLabel(depsOf(await ringWith(current(1)), refusing(name)), move));
      expect(error.code).toBe('LABEL_CONFLICT');
      expect(error.message).toMatch(/Label key-v2 .* the service says no\. Another process/);
      expect(error.cause).toMatchObject({ name });
    },
  );

  test('is one too many where the service says that its limit is reached', async () => {
    const deps = depsOf(await ringWith(current(1)), refusing('LimitExceededException'));
    const error = await rejectionOf(moveLabel(deps, move));
    expect(error.code).toBe('RING_FULL');
    expect(error.message).toMatch(/the service says no\. A secret can .* retire those keys, or remove labels/);
  });

  test('is refused for any other reason', async () => {
    const deps = depsOf(await ringWith(current(1)), refusing('AccessDeniedException'));
    expect((await rejectionOf(moveLabel(deps, move))).code).toBe('AWS_REFUSED');
  });
});

describe('a ring without free labels says what makes room', () => {
  const others = (count: number) => Array.from({ length: count }, (_, index) => `other-${index}`);
  const full = (ring: RingLabels) => {
    const error = errorOf(() => {
      requireFreeSlots(ring, 1);
    });
    expect(error.code).toBe('RING_FULL');
    return error.message;
  };

  test('the keys that can be retired, and the labels that are not of the ring', () => {
    const message = full(
      ringLabels({ a: ['key-v1'], b: ['AWSPREVIOUS', 'key-v2'], c: ['AWSCURRENT', 'key-v3', ...others(14)] }),
    );
    expect(message).toContain('retire those keys, key 1 first. Or: Remove the labels');
    expect(message).toContain("('other-0', 'other-1', ");
  });

  test('only the keys, where there are no other labels', () => {
    const keys = Array.from({ length: 17 }, (_, index) => [`v${index}`, [`key-v${index + 1}`]]);
    const message = full(ringLabels(Object.fromEntries(keys) as Record<string, string[]>));
    expect(message).toContain('key 1 first; then try again');
    expect(message).not.toContain('Remove the labels');
  });

  test('only the labels, where no key can be retired', () => {
    const message = full(ringLabels({ a: ['AWSCURRENT', 'key-v1', ...others(16)] }));
    expect(message).toContain('AWS uses 3. Remove the labels that are not');
    expect(message).not.toContain('retire');
  });

  test('a number of a key that has several, where nothing else is left', () => {
    const numbers = Array.from({ length: 17 }, (_, index) => `key-v${index + 1}`);
    expect(full(ringLabels({ a: ['AWSCURRENT', ...numbers] }))).toContain('from a key with several');
  });
});

test('a number that got lost before a conflict is put back by the run after it', async () => {
  const ring = await ringWith(1, previous(2), current(3));
  const deps = depsOf(ring);
  const read = async () => ({
    ring: ringLabels((await deps.secrets.describeSecret({ SecretId: SECRET })).VersionIdsToStages),
  });
  let runs = 0;
  await fromFreshState(deps, read, async (state) => {
    runs += 1;
    if (runs > 1) return { ring: state.ring, wrote: false };
    await ring.lose('key-v1');
    await moveLabel(depsOf(ring, refusing('InvalidRequestException')), { label: 'key-v4', to: ring.idOf(3) });
    return { ring: state.ring, wrote: true };
  });
  expect(runs).toBe(2);
  expect(ring.labels).toMatchObject({ 1: 'key-v1' });
});

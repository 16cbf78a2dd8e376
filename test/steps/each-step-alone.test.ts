import { STEPS, type Step } from '../../src/steps/rotation-request.ts';
import { stopServices } from '../local/support/running-service.ts';
import { current, keyOf, previous, ringWith, type RingVersion, type TestRing } from '../support/ring.ts';

afterEach(stopServices);

/** Where a step may find the secret, once a rotation has begun. Version numbers are places in the order of making. */
const STARTS = {
  'a key without a number': async () => begun(await ringWith(current())),
  'two keys without a number': async () => begun(await ringWith(previous(), current())),
  'numbered keys': async () => begun(await ringWith(1, current(2))),
  'no value': async () => begun(await ringWith()),
  'a first value that is current at once': async () => {
    const ring = begun(await ringWith());
    (await ring).service.setBehaviour({ firstPendingValue: 'becomes-current' });
    return ring;
  },
  'a new version that was made current by hand': async () => {
    const ring = await withPendingKey(current());
    await ring.label('AWSCURRENT', 2);
    return ring;
  },
} satisfies Record<string, () => Promise<TestRing>>;

type Start = keyof typeof STARTS;

async function begun(ring: TestRing): Promise<TestRing> {
  ring.service.setBehaviour({ firstPendingValue: 'stays-pending' });
  await ring.begin();
  return ring;
}

async function withPendingKey(...versions: readonly (RingVersion | number)[]): Promise<TestRing> {
  const ring = await begun(await ringWith(...versions));
  await ring.step('createSecret');
  return ring;
}

/** The steps before `step`, each run once. */
function before(step: Step): readonly Step[] {
  return STEPS.slice(0, STEPS.indexOf(step));
}

const UNNUMBERED = { 1: 'AWSCURRENT', 2: 'AWSPENDING' };
const NUMBERED = { 1: 'AWSCURRENT key-v1', 2: 'AWSPENDING' };
const TWO_NUMBERED = { 1: 'AWSPREVIOUS key-v1', 2: 'AWSCURRENT key-v2', 3: 'AWSPENDING' };
const FIRST_KEY = { 1: 'AWSCURRENT AWSPENDING key-v1' };
const BY_HAND = { 1: 'AWSPREVIOUS key-v1', 2: 'AWSCURRENT AWSPENDING key-v2' };

/** Labels after a step; the service takes AWSPENDING off after the last one. */
const AFTER: Readonly<Record<Start, Readonly<Record<Step, Readonly<Record<number, string>>>>>> = {
  'a key without a number': {
    createSecret: UNNUMBERED,
    setSecret: NUMBERED,
    testSecret: NUMBERED,
    finishSecret: { 1: 'AWSPREVIOUS key-v1', 2: 'AWSCURRENT AWSPENDING key-v2' },
  },
  'two keys without a number': {
    createSecret: { 1: 'AWSPREVIOUS', 2: 'AWSCURRENT', 3: 'AWSPENDING' },
    setSecret: TWO_NUMBERED,
    testSecret: TWO_NUMBERED,
    finishSecret: { 1: 'key-v1', 2: 'AWSPREVIOUS key-v2', 3: 'AWSCURRENT AWSPENDING key-v3' },
  },
  'numbered keys': {
    createSecret: TWO_NUMBERED,
    setSecret: TWO_NUMBERED,
    testSecret: TWO_NUMBERED,
    finishSecret: { 1: 'key-v1', 2: 'AWSPREVIOUS key-v2', 3: 'AWSCURRENT AWSPENDING key-v3' },
  },
  'no value': {
    createSecret: { 1: 'AWSPENDING' },
    setSecret: { 1: 'AWSPENDING' },
    testSecret: { 1: 'AWSPENDING' },
    finishSecret: FIRST_KEY,
  },
  'a first value that is current at once': {
    createSecret: FIRST_KEY,
    setSecret: FIRST_KEY,
    testSecret: FIRST_KEY,
    finishSecret: FIRST_KEY,
  },
  'a new version that was made current by hand': {
    createSecret: BY_HAND,
    setSecret: BY_HAND,
    testSecret: BY_HAND,
    finishSecret: BY_HAND,
  },
};

const CASES = (Object.keys(AFTER) as Start[]).flatMap((start) => STEPS.map((step) => [step, start] as const));

async function ready(start: Start, step: Step): Promise<TestRing> {
  const ring = await STARTS[start]();
  await ring.steps(...before(step));
  return ring;
}

describe.each(CASES)('%s on %s', (step, start) => {
  test('leaves the expected labels, and leaves them again when it runs again', async () => {
    const ring = await ready(start, step);
    await ring.step(step);
    expect(ring.labels).toEqual(AFTER[start][step]);

    const once = ring.snapshot;
    await ring.step(step);
    expect(ring.snapshot).toBe(once);
  });

  test('ends in the same state when two copies of it run at once', async () => {
    const ring = await ready(start, step);
    await Promise.all([ring.step(step), ring.step(step)]);
    expect(ring.labels).toEqual(AFTER[start][step]);
  });
});

test('C20: two runs of all four steps with one token end with one new key', async () => {
  for (let time = 1; time <= 5; time += 1) {
    const ring = await begun(await ringWith(previous(), current()));
    await Promise.all([ring.steps(...STEPS), ring.steps(...STEPS)]);
    expect(ring.labels).toEqual({ 1: 'key-v1', 2: 'AWSPREVIOUS key-v2', 3: 'AWSCURRENT AWSPENDING key-v3' });
  }
});

test('C20: a run whose rotation was abandoned promotes nothing beside the one that came after it', async () => {
  const ring = await withPendingKey(1, current(2));
  const abandoned = ring.pendingId;
  await ring.put(keyOf(9).toString('base64'));
  await ring.rotate();
  const late = await Promise.allSettled(STEPS.map((step) => ring.step(step, { ClientRequestToken: abandoned })));
  expect(late.map(({ status }) => status)).toEqual(['rejected', 'rejected', 'rejected', 'rejected']);
  expect(ring.labels).toEqual({
    1: 'key-v1',
    2: 'key-v2',
    3: '',
    4: 'AWSPREVIOUS key-v3',
    5: 'AWSCURRENT key-v4',
  });
});

describe('createSecret', () => {
  test('keeps the key that an earlier attempt has stored', async () => {
    const ring = await withPendingKey(1, current(2));
    const stored = ring.valueOf(3);
    await ring.step('createSecret');
    expect(ring.valueOf(3)).toBe(stored);
    expect(ring.events.slice(-3)).toEqual(['rotation_step_started', 'key_kept', 'rotation_step_finished']);
    expect(ring.log.at(-2)).toEqual({ event: 'key_kept', versionId: ring.idOf(3) });
    expect(ring.log).toContainEqual({ event: 'key_created', versionId: ring.idOf(3) });
  });

  test('of two at once stores one key, and both continue with it', async () => {
    const ring = await begun(await ringWith(current(1)));
    await Promise.all([ring.step('createSecret'), ring.step('createSecret')]);
    expect(ring.events.filter((event) => event === 'key_created')).toHaveLength(1);
    expect(ring.events.filter((event) => event === 'key_kept')).toHaveLength(1);
  });

  test('keeps a key that finishSecret has numbered but not promoted, and does not take it for its own copy', async () => {
    const ring = await withPendingKey(1, current(2));
    await ring.label('key-v3', 3);
    await ring.steps(...STEPS);
    expect(ring.labels).toEqual({ 1: 'key-v1', 2: 'AWSPREVIOUS key-v2', 3: 'AWSCURRENT AWSPENDING key-v3' });
  });

  test('compares a kept key with every key of the ring, the current one included, and reads each once', async () => {
    const ring = await withPendingKey(1, 2, current(3));
    ring.service.calls.clear();
    await ring.step('createSecret');
    const read = ring.calls.filter(({ operation }) => operation === 'GetSecretValue').map(({ versionId }) => versionId);
    expect(read.toSorted()).toEqual([1, 2, 3, 4].map((place) => ring.idOf(place)));
  });

  test('stores a key under AWSPENDING alone', async () => {
    const ring = await withPendingKey(current());
    expect(ring.labels).toEqual(UNNUMBERED);
    expect(Buffer.from(ring.valueOf(2), 'base64')).toHaveLength(32);
  });

  test('counts the slots of versions that have a number as taken, not as needed', async () => {
    const ring = await ringWith(...Array.from({ length: 15 }, (_, index) => index + 1), current(16));
    await begun(ring);
    await ring.step('createSecret');
    expect(ring.labels[17]).toBe('AWSPENDING');
  });
});

describe('testSecret', () => {
  test('opens every key of the ring but asks for none twice', async () => {
    const ring = await withPendingKey(1, 2, current(3));
    ring.service.calls.clear();
    await ring.step('testSecret');
    const read = ring.calls.filter(({ operation }) => operation === 'GetSecretValue').map(({ versionId }) => versionId);
    expect(read.toSorted()).toEqual([1, 2, 3, 4].map((place) => ring.idOf(place)));
    expect(ring.log).toContainEqual({ event: 'key_proven', versionId: ring.idOf(4), ringKeys: 3 });
  });

  test('passes again when finishSecret has numbered the pending version but not promoted it', async () => {
    const ring = await withPendingKey(current(1));
    await ring.label('key-v2', 2);
    ring.service.calls.clear();
    await ring.step('testSecret');
    expect(ring.calls.map(({ versionId }) => versionId)).toEqual([undefined, ring.idOf(2), ring.idOf(1)]);
    await ring.step('finishSecret');
    expect(ring.labels).toEqual({ 1: 'AWSPREVIOUS key-v1', 2: 'AWSCURRENT AWSPENDING key-v2' });
  });
});

describe('finishSecret', () => {
  test('numbers the keys in use itself when setSecret never ran', async () => {
    const ring = await withPendingKey(previous(), current());
    await ring.step('finishSecret');
    expect(ring.labels).toEqual({ 1: 'key-v1', 2: 'AWSPREVIOUS key-v2', 3: 'AWSCURRENT AWSPENDING key-v3' });
  });

  test('says that there is nothing to promote when the key is current already', async () => {
    const ring = await withPendingKey(current(1));
    await ring.steps('finishSecret', 'finishSecret');
    expect(ring.log).toContainEqual({ event: 'already_current', versionId: ring.idOf(2) });
  });

  test('starts again with all checks when its number was taken meanwhile', async () => {
    const ring = await withPendingKey(current(1));
    await whenFirstMoving(ring, 'key-v2', async () => {
      await ring.put(keyOf(9).toString('base64'), undefined, ['mine']);
      await ring.label('key-v2', 3);
    });
    await ring.step('finishSecret');
    expect(ring.labels).toEqual({ 1: 'AWSPREVIOUS key-v1', 2: 'AWSCURRENT AWSPENDING key-v3', 3: 'key-v2 mine' });
    expect(ring.log).toContainEqual({
      event: 'step_started_again',
      reading: 1,
      reason: expect.stringContaining('Label key-v2 could not be moved') as string,
    });
  });

  test('starts again when another key became current meanwhile, and stops, since its rotation was abandoned', async () => {
    const ring = await withPendingKey(current(1));
    await whenFirstMoving(ring, 'AWSCURRENT', () => ring.put(keyOf(9).toString('base64')));
    await expect(ring.step('finishSecret')).rejects.toMatchObject({ code: 'NOT_PENDING' });
    expect(ring.labels).toMatchObject({
      1: 'AWSPREVIOUS key-v1',
      2: 'key-v2',
      3: expect.stringContaining('AWSCURRENT') as string,
    });
  });

  test('gives up after ten readings when labels go on moving', async () => {
    const ring = await withPendingKey(current(1));
    const { secrets } = ring;
    ring.secrets = {
      ...secrets,
      updateSecretVersionStage: (input) =>
        secrets.updateSecretVersionStage({
          ...input,
          RemoveFromVersionId: ring.idOf(2),
          MoveToVersionId: ring.idOf(1),
        }),
    };
    await expect(ring.step('finishSecret')).rejects.toMatchObject({ code: 'LABEL_CONFLICT' });
    expect(ring.events.filter((event) => event === 'step_started_again')).toHaveLength(9);
  });
});

/** Does something else right before the Lambda's first attempt to move this label. */
async function whenFirstMoving(ring: TestRing, label: string, act: () => Promise<void>): Promise<void> {
  const { secrets } = ring;
  let done = false;
  ring.secrets = {
    ...secrets,
    updateSecretVersionStage: async (input) => {
      if (input.VersionStage === label && !done) {
        done = true;
        ring.lambda = 'does nothing';
        await act();
        ring.lambda = 'works';
      }
      return secrets.updateSecretVersionStage(input);
    },
  };
  return Promise.resolve();
}

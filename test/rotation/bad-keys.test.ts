import { PutSecretValueCommand } from '@aws-sdk/client-secrets-manager';
import type { ErrorCode } from '../../src/format/error.ts';
import { STEPS } from '../../src/steps/rotation-request.ts';
import { stopServices } from '../local/support/running-service.ts';
import { rejectionOf } from '../keyring/support/rejection-of.ts';
import { begun, refuses } from './support/refusal.ts';
import {
  current,
  holding,
  keyOf,
  previous,
  ringWith,
  SECRET,
  type RingVersion,
  type TestRing,
} from '../support/ring.ts';

afterEach(stopServices);

describe('a current value that is no key', () => {
  test.each([
    ['24 bytes', Buffer.alloc(24, 7).toString('base64'), 'must be 32 bytes, got 24 bytes'],
    ['bad base64', `${'*'.repeat(43)}=`, 'found 44 characters that are not base64'],
    ['an empty JSON object', '{}', 'found a JSON object without "encryption_key"'],
    ['16 bytes of SecretBinary', Buffer.alloc(16, 7), 'must be 32 bytes, got 16 bytes'],
  ])('is refused by createSecret: %s', async (_, value, found) => {
    const ring = await begun(1, holding(value, current()));
    await refuses(
      ring,
      () => ring.step('createSecret'),
      'INVALID_KEY_VALUE',
      found,
      `version ${ring.idOf(2)}; 'pazpaz-keys status' says what to run first`,
    );
  });

  test('is not shown', async () => {
    const value = Buffer.alloc(24, 'secret').toString('base64');
    const ring = await begun(holding(value, current()));
    const error = await rejectionOf(ring.step('createSecret'));
    expect(error.message).not.toContain(value);
    expect(error.cause).toBeUndefined();
  });
});

describe('a full ring', () => {
  const many = (count: number) => Array.from({ length: count }, (_, index) => index + 1);

  test('is refused by createSecret: 17 numbered keys', async () => {
    const ring = await begun(...many(16), current(17));
    const says = ['1 free staging label needed, 0 free', 'carry 20', 'retire', 'again', 'Nothing was lost'];
    await refuses(ring, () => ring.step('createSecret'), 'RING_FULL', ...says);
  });

  test('is refused when foreign labels take its slots', async () => {
    const ring = await ringWith(...many(13), current(14));
    for (const label of ['red', 'green', 'blue']) await ring.label(label, 1);
    await ring.begin();
    await refuses(ring, () => ring.step('createSecret'), 'RING_FULL', '1 free staging label needed, 0 free');
  });

  test('C14: is refused when the keys in use need more slots than are free', async () => {
    const ring = await ringWith(previous(), current());
    for (const label of many(16)) await ring.label(`mine-${label}`, 1);
    await ring.begin();
    await refuses(ring, () => ring.step('createSecret'), 'RING_FULL', '3 free staging labels needed, 1 free');
  });

  test('is identified by what takes its labels, and of keys only those that can be retired', async () => {
    const ring = await ringWith(previous(1), current(2));
    for (const label of many(15)) await ring.label(`mine-${label}`, 1);
    await ring.begin();
    const { message } = await rejectionOf(ring.step('createSecret'));
    expect(message).toContain('2 labels of keys and 15 other labels');
    expect(message).toContain("'mine-15'");
    expect(message).not.toContain('retire');
  });

  test('C14: is not full while there are as many as needed', async () => {
    const ring = await ringWith(previous(), current());
    for (const label of many(14)) await ring.label(`mine-${label}`, 1);
    expect(await ring.rotate()).toMatchObject({ outcome: 'succeeded' });
    expect(ring.labels[3]).toBe('AWSCURRENT key-v3');
  });

  test('is not full for want of a slot for a previous key that there is not', async () => {
    const ring = await ringWith(current());
    for (const label of many(15)) await ring.label(`mine-${label}`, 1);
    expect(await ring.rotate()).toMatchObject({ outcome: 'succeeded' });
    expect(ring.labels[2]).toBe('AWSCURRENT key-v2');
  });

  test('shows itself as RING_FULL too when the service refuses a label beyond the limit', async () => {
    const ring = await begun(current(1));
    await ring.step('createSecret');
    ring.service.faults.set({
      kind: 'error',
      operation: 'UpdateSecretVersionStage',
      type: 'LimitExceededException',
      message: 'too many labels',
    });
    await expect(ring.step('finishSecret')).rejects.toMatchObject({
      code: 'RING_FULL',
      message: expect.stringContaining('LimitExceededException: too many labels') as string,
    });
  });
});

describe('a token that is current already', () => {
  test.each(STEPS)('is no error of %s, which has nothing to write when it is numbered', async (step) => {
    const ring = await begun(1, current(2));
    await ring.step(step, { ClientRequestToken: ring.idOf(2) });
    expect(ring.writes).toEqual([]);
  });

  test.each(STEPS)('is numbered by %s', async (step) => {
    const ring = await begun(current());
    await ring.step(step, { ClientRequestToken: ring.idOf(1) });
    expect(ring.labels).toEqual({ 1: 'AWSCURRENT key-v1', 2: 'AWSPENDING' });
  });
});

describe('a pending key that is not fit', () => {
  /** A rotation whose pending version has got this value. */
  async function pendingHolds(value: string, ...versions: readonly (RingVersion | number)[]): Promise<TestRing> {
    const ring = await begun(...versions);
    // The Lambda does not hear of it yet: an adoption would give the keys in use their numbers.
    ring.lambda = 'does nothing';
    await ring.client.send(
      new PutSecretValueCommand({
        SecretId: SECRET,
        ClientRequestToken: ring.pendingId,
        SecretString: value,
        VersionStages: ['AWSPENDING'],
      }),
    );
    await ring.service.idle();
    ring.lambda = 'works';
    return ring;
  }

  /** A put under a token that has a value already is refused by the service, and is how createSecret finds out. */
  async function refusesWithoutEffect(ring: TestRing, code: ErrorCode, ...says: readonly string[]): Promise<void> {
    ring.service.calls.clear();
    const before = ring.snapshot;
    const error = await rejectionOf(ring.step('createSecret'));
    expect(error).toMatchObject({ code });
    for (const words of says) expect(error.message).toContain(words);
    expect(ring.writes).toEqual([
      expect.objectContaining({ operation: 'PutSecretValue', outcome: 'ResourceExistsException' }),
    ]);
    expect(ring.snapshot).toBe(before);
  }

  test('is refused by createSecret as a copy of the current key, numbered or not', async () => {
    for (const newest of [current(1), current()]) {
      const ring = await pendingHolds(keyOf(1).toString('base64'), newest);
      await refusesWithoutEffect(ring, 'PENDING_NOT_FRESH', 'a copy of the current key', 'Detach AWSPENDING', 'rotate');
    }
  });

  test('is refused by createSecret as a copy in another spelling', async () => {
    const ring = await pendingHolds(keyOf(1).toString('hex'), current(1));
    await refusesWithoutEffect(ring, 'PENDING_NOT_FRESH', 'a copy of the current key');
  });

  test.each([
    [1, 'key 1'],
    [2, 'key 2'],
  ])('is refused by createSecret as a copy of version %i of the ring', async (place, name) => {
    const ring = await pendingHolds(keyOf(place).toString('base64'), 1, 2, current(3));
    await refusesWithoutEffect(ring, 'PENDING_NOT_FRESH', `must hold a new key, but holds a copy of ${name},`);
  });

  test('is refused by createSecret as what a test run that failed has left behind', async () => {
    const ring = await ringWith(current(1));
    ring.lambda = 'fails';
    await ring.rotate({ RotateImmediately: false });
    ring.lambda = 'works';
    expect(ring.labels[2]).toBe('AWSPENDING');
    await refusesWithoutEffect(ring, 'PENDING_NOT_FRESH', ring.idOf(2), 'as a test run leaves it');
  });

  test('is refused by createSecret as a copy of AWSPREVIOUS, which no one has numbered yet', async () => {
    const ring = await pendingHolds(keyOf(1).toString('base64'), previous(), current());
    await refusesWithoutEffect(ring, 'PENDING_NOT_FRESH', 'a copy of the previous key');
  });

  test('is kept by createSecret where AWSPREVIOUS is no key at all', async () => {
    const ring = await begun(holding('no key', previous()), current());
    await ring.steps('createSecret', 'createSecret');
    expect(ring.events).toContain('key_kept');
  });

  test.each(STEPS)('is refused by %s when it has 24 bytes, unless the step does not read it', async (step) => {
    const ring = await pendingHolds(Buffer.alloc(24).toString('base64'), current(1));
    if (step === 'createSecret') await refusesWithoutEffect(ring, 'INVALID_KEY_VALUE', 'got 24 bytes', ring.pendingId);
    else if (step === 'setSecret') await expect(ring.step(step)).resolves.toBeUndefined();
    else await refuses(ring, () => ring.step(step), 'INVALID_KEY_VALUE', 'got 24 bytes', ring.pendingId);
  });
});

describe('a placeholder', () => {
  test.each(['testSecret', 'finishSecret'])(
    'is refused by %s, invoked by hand, after it was asked for a while',
    async (step) => {
      const ring = await begun(1, current(2));
      const says = [ring.pendingId, 'has no value that can be read', 'run createSecret first'];
      await refuses(ring, () => ring.step(step), 'VERSION_HAS_NO_VALUE', ...says);
      expect(ring.slept).toEqual([100, 200, 400, 800, 1600, 3200]);
    },
  );

  test('of a secret without any key is no key to test', async () => {
    const ring = await begun();
    const says = ['has no key yet, so there is nothing to test', 'Rotate it once', 'that makes key 1'];
    await refuses(ring, () => ring.step('testSecret'), 'NO_CURRENT_KEY', ...says);
    await expect(ring.step('testSecret')).rejects.toMatchObject({ cause: { code: 'VERSION_HAS_NO_VALUE' } });
    await refuses(ring, () => ring.step('finishSecret'), 'VERSION_HAS_NO_VALUE', 'run createSecret first');
  });
});

describe('a key of the ring that cannot be used', () => {
  test('C27: stops the rotation in testSecret, which names it', async () => {
    const short = holding(Buffer.alloc(24).toString('base64'), 2);
    const ring = await begun(1, short, current(3));
    await ring.steps('createSecret', 'setSecret');
    const says = [
      'Key 2 of the ring',
      `version ${ring.idOf(2)}`,
      'must be 32 bytes, got 24 bytes',
      'nothing is promoted',
    ];
    await refuses(ring, () => ring.step('testSecret'), 'RING_KEY_UNREADABLE', ...says);
    expect(ring.labels).toMatchObject({ 3: 'AWSCURRENT key-v3', 4: 'AWSPENDING' });
  });

  test('C27: stops createSecret where it has to compare an earlier key with the ring', async () => {
    const short = holding(Buffer.alloc(24).toString('base64'), 2);
    const ring = await begun(1, short, current(3));
    await ring.step('createSecret');
    await expect(ring.step('createSecret')).rejects.toMatchObject({ code: 'RING_KEY_UNREADABLE' });
  });
});

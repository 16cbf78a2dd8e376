import { GetSecretValueCommand } from '@aws-sdk/client-secrets-manager';
import { stopServices } from '../local/support/running-service.ts';
import { current, holding, keyOf, previous, ringWith, SECRET } from '../support/ring.ts';

afterEach(stopServices);

describe('a rotation', () => {
  test('numbers the key in use, then makes a new one current under the next number', async () => {
    const ring = await ringWith(current());
    expect(await ring.rotate()).toMatchObject({ outcome: 'succeeded' });
    expect(ring.labels).toEqual({ 1: 'AWSPREVIOUS key-v1', 2: 'AWSCURRENT key-v2' });
  });

  test('numbers both keys in use when neither has a number', async () => {
    const ring = await ringWith(previous(), current());
    await ring.rotate();
    expect(ring.labels).toEqual({ 1: 'key-v1', 2: 'AWSPREVIOUS key-v2', 3: 'AWSCURRENT key-v3' });
  });

  test('adds one number to a ring in which every key has one', async () => {
    const ring = await ringWith(1, 2, current(3));
    await ring.rotate();
    expect(ring.labels).toEqual({ 1: 'key-v1', 2: 'key-v2', 3: 'AWSPREVIOUS key-v3', 4: 'AWSCURRENT key-v4' });
  });

  test('goes on from the highest number, whatever gaps retirements have left', async () => {
    const ring = await ringWith(3, 7, current(12));
    await ring.rotate();
    expect(ring.labels).toMatchObject({ 4: 'AWSCURRENT key-v13' });
  });

  test('leaves the labels of others alone', async () => {
    const ring = await ringWith(1, current(2));
    await ring.label('blue', 1);
    await ring.rotate();
    expect(ring.labels).toEqual({ 1: 'blue key-v1', 2: 'AWSPREVIOUS key-v2', 3: 'AWSCURRENT key-v3' });
  });

  test('leaves a version that holds no key without a number, and says so', async () => {
    const ring = await ringWith(holding('not a key', previous()), current());
    await ring.rotate();
    expect(ring.labels).toEqual({ 1: '', 2: 'AWSPREVIOUS key-v1', 3: 'AWSCURRENT key-v2' });
    expect(ring.log).toContainEqual({
      event: 'unnumbered_version_is_not_a_key',
      versionId: ring.idOf(1),
      reason: expect.stringContaining('found text with white space inside the key') as string,
    });
  });

  test('logs its course, from the first step to the last', async () => {
    const ring = await ringWith(current(1));
    await ring.rotate();
    expect(ring.events).toEqual([
      ...['rotation_step_started', 'key_created', 'rotation_step_finished'],
      ...['rotation_step_started', 'rotation_step_finished'],
      ...['rotation_step_started', 'key_proven', 'rotation_step_finished'],
      ...['rotation_step_started', 'key_numbered', 'key_promoted', 'rotation_step_finished'],
    ]);
    expect(ring.log).toContainEqual({
      event: 'key_promoted',
      versionId: ring.idOf(2),
      keyNumber: 2,
      formerVersionId: ring.idOf(1),
    });
  });
});

describe('a rotation of a ring where all are numbered', () => {
  test.each([1, 3, 16])('of %i takes 11 calls, and one for each key', async (size) => {
    const ring = await ringWith(...Array.from({ length: size - 1 }, (_, index) => index + 1), current(size));
    await ring.rotate();
    expect(ring.labels[size + 1]).toBe(`AWSCURRENT key-v${size + 1}`);
    expect(ring.calls).toHaveLength(11 + size);
  });

  test('reads the pending key again where finishSecret runs in another execution environment', async () => {
    const ring = await ringWith(current(1));
    await ring.begin();
    await ring.steps('createSecret', 'setSecret', 'testSecret');
    ring.proven.clear();
    await ring.step('finishSecret');
    expect(ring.calls).toHaveLength(11 + 1 + 1);
  });

  test('asks for nothing that is not needed', async () => {
    const ring = await ringWith(current(1));
    await ring.rotate();
    expect(ring.calls.map(({ operation }) => operation)).toEqual([
      ...['DescribeSecret', 'GetSecretValue', 'PutSecretValue', 'DescribeSecret'],
      ...['DescribeSecret'],
      ...['DescribeSecret', 'GetSecretValue', 'GetSecretValue'],
      ...['DescribeSecret', 'UpdateSecretVersionStage', 'UpdateSecretVersionStage', 'DescribeSecret'],
    ]);
  });
});

describe('a secret without a value', () => {
  test.each(['becomes-current', 'stays-pending'] as const)(
    'gets key 1 by its first rotation, where the first pending value %s',
    async (firstPendingValue) => {
      const ring = await ringWith();
      ring.service.setBehaviour({ firstPendingValue });
      expect(await ring.rotate()).toMatchObject({ outcome: 'succeeded' });
      expect(ring.labels).toEqual({ 1: 'AWSCURRENT key-v1' });
      expect(Buffer.from(ring.valueOf(1), 'base64')).toHaveLength(32);

      await ring.rotate();
      expect(ring.labels).toEqual({ 1: 'AWSPREVIOUS key-v1', 2: 'AWSCURRENT key-v2' });
    },
  );

  test('has a number in the step in which the service makes its key current', async () => {
    const ring = await ringWith();
    ring.service.setBehaviour({ firstPendingValue: 'becomes-current' });
    await ring.begin();
    await ring.step('createSecret');
    expect(ring.labels).toEqual({ 1: 'AWSCURRENT AWSPENDING key-v1' });
  });

  test('cannot be test-run, and says that the first rotation makes key 1', async () => {
    const ring = await ringWith();
    const { attempts } = await ring.rotate({ RotateImmediately: false });
    expect(attempts[0]?.error).toMatchObject({
      step: 'testSecret',
      message: expect.stringContaining('has no key yet, so there is nothing to test') as string,
    });
    expect(ring.log.at(-1)).toMatchObject({ event: 'rotation_step_failed', code: 'NO_CURRENT_KEY' });
    expect(ring.writes).toEqual([]);
  });
});

describe('C16: a test run (RotateImmediately=false)', () => {
  test.each([
    ['a key without a number', [current()]],
    ['numbered keys', [1, current(2)]],
  ])('passes on %s and changes nothing', async (_, versions) => {
    const ring = await ringWith(...versions);
    const before = ring.labels;
    expect(await ring.rotate({ RotateImmediately: false })).toMatchObject({ kind: 'test', outcome: 'succeeded' });
    expect(ring.labels).toEqual(before);
    expect(ring.writes).toEqual([]);
  });
});

describe('a new key is stored in the format of the current one', () => {
  test('base64, the format of the guide', async () => {
    const ring = await ringWith(current());
    await ring.rotate();
    expect(ring.valueOf(2)).toMatch(/^[A-Za-z0-9+/]{43}=$/);
  });

  test('base64 where it was hexadecimal', async () => {
    const ring = await ringWith(holding(keyOf(1).toString('hex'), current()));
    await ring.rotate();
    expect(ring.valueOf(2)).toMatch(/^[A-Za-z0-9+/]{43}=$/);
  });

  test('SecretBinary', async () => {
    const ring = await ringWith(holding(keyOf(1), current()));
    await ring.rotate();
    const { SecretBinary, SecretString } = await ring.client.send(new GetSecretValueCommand({ SecretId: SECRET }));
    expect(SecretBinary).toHaveLength(32);
    expect(SecretString).toBeUndefined();
  });

  test('JSON, whose dates move to now and by the same span', async () => {
    const json = `{"algorithm":"AES-256-GCM", "encryption_key":"${keyOf(1).toString('base64')}",
      "created_at":"2025-01-01T00:00:00Z", "expires_at":"2026-01-01T00:00:00Z"}`;
    const ring = await ringWith(holding(json, current()));
    await ring.service.advanceTo(Date.UTC(2035, 5, 15, 12));
    await ring.rotate();
    const stored = JSON.parse(ring.valueOf(2)) as Record<string, string>;
    expect(stored).toMatchObject({
      algorithm: 'AES-256-GCM',
      encryption_key: expect.stringMatching(/^[A-Za-z0-9+/]{43}=$/) as string,
    });
    const { created_at: created = '', expires_at: expires = '' } = stored;
    expect(created).toMatch(/^2035-06-15T12:0/);
    expect(Date.parse(expires) - Date.parse(created)).toBe(365 * 86_400_000);
    expect(stored['encryption_key']).not.toBe(keyOf(1).toString('base64'));
  });

  test('unlike every key before', async () => {
    const ring = await ringWith(current());
    for (let rotation = 1; rotation <= 5; rotation += 1) await ring.rotate();
    const values = [1, 2, 3, 4, 5, 6].map((place) => ring.valueOf(place));
    expect(new Set(values).size).toBe(6);
  });
});

describe('RotationToken', () => {
  const CANARY = 'canary-0f5be7d1-8a7e-4f0e-9d53-c1b1d3b8a9e4';

  test('goes with the new value to Secrets Manager, and into no line of the log', async () => {
    const ring = await ringWith(current(1));
    await ring.begin();
    const puts: unknown[] = [];
    const { secrets } = ring;
    ring.secrets = { ...secrets, putSecretValue: (input) => (puts.push(input), secrets.putSecretValue(input)) };
    for (const step of ['createSecret', 'setSecret', 'testSecret', 'finishSecret']) {
      await ring.step(step, { RotationToken: CANARY });
    }
    expect(puts).toEqual([expect.objectContaining({ RotationToken: CANARY })]);
    expect(JSON.stringify(ring.log)).not.toContain(CANARY);
  });

  test.each([undefined, null])('is left out where the event has %s', async (RotationToken) => {
    const ring = await ringWith(current(1));
    await ring.begin();
    const puts: object[] = [];
    const { secrets } = ring;
    ring.secrets = { ...secrets, putSecretValue: (input) => (puts.push(input), secrets.putSecretValue(input)) };
    await ring.step('createSecret', { RotationToken });
    expect(puts).toHaveLength(1);
    expect(puts[0]).not.toHaveProperty('RotationToken');
  });
});

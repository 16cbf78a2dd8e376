import { randomBytes } from 'node:crypto';
import { inspect } from 'node:util';
import { encryptField } from '../../src/format/field.ts';
import { KeyMaterial } from '../../src/format/key-material.ts';
import { toKeyNumber } from '../../src/format/key-number.ts';
import { KeyRing } from '../../src/keyring/key-ring.ts';
import { loadSettings } from '../../src/keyring/settings.ts';
import { readVarint } from '../../src/format/varint.ts';
import { errorOf } from '../format/support/error-of.ts';
import { everythingPrinted, spellingsOf } from '../format/support/secret-spellings.ts';
import { rejectionOf } from './support/rejection-of.ts';
import { closeRings, RingWorld, SECRET } from './support/ring-world.ts';

afterEach(closeRings);

const MINUTE = 60_000;
const ENV_BYTES = Buffer.from('the key of an environment, alone');
const ENV_KEY = KeyMaterial.fromBytes(ENV_BYTES);
const AWS = { AWS_REGION: 'us-east-1', SECRETS_MANAGER_KEY_NAME: SECRET };
const KEY = { ENCRYPTION_MASTER_KEY: ENV_BYTES.toString('base64') };

describe("the guide's table of environments", () => {
  test('local: the key of the environment, without AWS', async () => {
    const ring = await KeyRing.open(loadSettings({ ENVIRONMENT: 'local', ...KEY }));
    const row = ring.encryptField('note', 'a');
    expect(readVarint(row)).toBe(0);
    expect(await ring.decryptField(row, 'a')).toBe('note');
    expect(ring.isFallenBack).toBe(false);
    expect(ring.usage()).toEqual([{ keyNumber: 0, encryptions: 1 }]);
    expect((await rejectionOf(ring.decryptField(row, 'b'))).code).toBe('TAMPERED_OR_WRONG_CONTEXT');
    expect(errorOf(() => ring.decryptFieldSync(Buffer.concat([Buffer.of(5), row.subarray(1)]))).code).toBe(
      'KEY_NEVER_ISSUED',
    );
    ring.close();
    expect(errorOf(() => ring.encryptField('note')).code).toBe('RING_CLOSED');
  });

  test('local: the key of the environment opens what it sealed under a number, in either form', async () => {
    const ring = await KeyRing.open(loadSettings({ ENVIRONMENT: 'local', ...KEY }));
    const row = encryptField('note', ENV_BYTES, 'a', { number: toKeyNumber(77) });
    expect(await ring.decryptField(row, 'a')).toBe('note');
    expect(ring.decryptFieldSync(row, 'a')).toBe('note');
    expect(errorOf(() => ring.decryptFieldSync(row, 'b')).code).toBe('KEY_NEVER_ISSUED');
    ring.close();
  });

  test.each(['local', 'staging', 'production'] as const)(
    '%s: AWS Secrets Manager, where its secret is named',
    async (environment) => {
      const world = await RingWorld.withKeys(1);
      const ring = await world.open({}, loadSettingsOf({ ENVIRONMENT: environment, ...AWS }));
      expect(readVarint(ring.encryptField('note'))).toBe(1);
      expect(world.log).toEqual([
        {
          timestamp: '2026-01-01T00:00:00.000Z',
          level: 'INFO',
          event: 'encryption_key_fetched_from_aws',
          message: 'A key was read from AWS Secrets Manager',
          secret_id: SECRET,
          version_id: world.versionIds.get(1),
          environment,
          key_number: 1,
        },
      ]);
    },
  );

  test.each(['local', 'staging', 'production'] as const)(
    '%s: AWS, not the variable, where both are set',
    async (environment) => {
      const world = await RingWorld.withKeys(2);
      const ring = await world.open({}, loadSettingsOf({ ENVIRONMENT: environment, ...AWS, ...KEY }));
      expect(readVarint(ring.encryptField('note'))).toBe(2);
      expect(ring.isFallenBack).toBe(false);
      expect(world.events('aws_unavailable_using_env_fallback')).toEqual([]);
      expect(world.events('env_key_set_in_production')).toHaveLength(environment === 'production' ? 1 : 0);
      expect(world.events('env_key_not_on_ring')).toMatchObject([{ level: 'WARNING', secret_id: SECRET, environment }]);
    },
  );

  test.each(['local', 'staging', 'production'] as const)(
    '%s: none but AWS, where the variable is unset',
    async (environment) => {
      const world = await RingWorld.withKeys(1);
      world.cutNetwork();
      const opening = world.open({}, loadSettingsOf({ ENVIRONMENT: environment, ...AWS }));
      expect((await rejectionOf(opening)).code).toBe('CANNOT_REACH_AWS');
      expect(world.log).toEqual([]);
    },
  );

  test.each(['local', 'staging', 'production'] as const)(
    '%s: the variable, where AWS is unavailable',
    async (environment) => {
      const world = await RingWorld.withKeys(1);
      world.cutNetwork();
      const ring = await world.open({}, loadSettingsOf({ ENVIRONMENT: environment, ...AWS, ...KEY }));
      expect(readVarint(ring.encryptField('note'))).toBe(0);
      expect(ring.isFallenBack).toBe(true);
      expect(world.events('aws_unavailable_using_env_fallback')).toMatchObject([
        { level: 'WARNING', secret_id: SECRET, environment, code: 'CANNOT_REACH_AWS' },
      ]);
    },
  );

  test.each([
    [{}, 'ENVIRONMENT must be one of local, development, staging, production, but is not set'],
    [{ ENVIRONMENT: 'prod' }, 'but is "prod"'],
    [{ ENVIRONMENT: 'local' }, 'ENCRYPTION_MASTER_KEY must be set where ENVIRONMENT is local'],
    [{ ENVIRONMENT: 'local', ENCRYPTION_MASTER_KEY: '' }, 'ENCRYPTION_MASTER_KEY must be set'],
    [{ ENVIRONMENT: 'staging', AWS_REGION: 'us-east-1' }, 'SECRETS_MANAGER_KEY_NAME must be set'],
    [{ ENVIRONMENT: 'production', SECRETS_MANAGER_KEY_NAME: SECRET }, 'AWS_REGION must be set'],
    [{ ENVIRONMENT: 'production', ...KEY }, 'set ENCRYPTION_KEY_SOURCE=environment.'],
    [
      { ENVIRONMENT: 'local', ENCRYPTION_MASTER_KEY: 'your-fallback-key-here' },
      'ENCRYPTION_MASTER_KEY must hold a key',
    ],
    [{ ENVIRONMENT: 'staging', ...AWS, ENCRYPTION_MASTER_KEY: 'AAAA' }, 'got 3 bytes'],
  ])('%j is refused: %s', (env, words) => {
    const error = errorOf(() => loadSettings(env));
    expect(error.code).toBe('INVALID_SETTINGS');
    expect(error.message).toContain(words);
    expect(error.message).not.toContain('your-fallback');
  });

  test.each(['SECRETS_MANAGER_KEY_NAME', 'ENVIRONMENT', 'AWS_REGION', 'ENCRYPTION_KEY_SOURCE'])(
    'a key that was pasted into %s is not printed',
    (variable) => {
      for (const spelling of spellingsOf(ENV_BYTES).filter((one) => one.length >= 32)) {
        const error = errorOf(() =>
          loadSettings({ ENVIRONMENT: 'staging', ...AWS, ...KEY, [variable]: `"${spelling}"` }),
        );
        expect(error.message).toContain('may be a key (not shown)');
        expect(error.message).not.toContain(spelling);
      }
    },
  );

  test('settings never print their key', () => {
    const printed = everythingPrinted(loadSettings({ ENVIRONMENT: 'staging', ...AWS, ...KEY }));
    for (const spelling of spellingsOf(ENV_BYTES)) expect(printed).not.toContain(spelling);
  });
});

describe('the fallback', () => {
  test('ends for good at the first answer of AWS, and what it wrote stays readable while the variable is set (C06)', async () => {
    const world = await RingWorld.withKeys(1);
    world.cutNetwork();
    const ring = await world.open({}, { environmentKey: ENV_KEY });
    const row = ring.encryptField('note', 'a');
    world.mendNetwork();
    await world.clock.advance(MINUTE);
    expect(ring.isFallenBack).toBe(false);
    expect(readVarint(ring.encryptField('note'))).toBe(1);
    expect(world.events('env_fallback_ended')).toHaveLength(1);
    expect(world.events('env_key_not_on_ring')).toHaveLength(1);
    expect(await ring.decryptField(row, 'a')).toBe('note');
    world.cutNetwork();
    await world.clock.advance(60 * MINUTE);
    expect(readVarint(ring.encryptField('note'))).toBe(1);
    expect(world.events('aws_unavailable_using_env_fallback')).toHaveLength(1);
    ring.close();

    world.mendNetwork();
    const without = await world.open();
    expect((await rejectionOf(without.decryptField(row, 'a'))).code).toBe('TAMPERED_OR_WRONG_CONTEXT');
  });

  test('has no age: it encrypts for more than a day', async () => {
    const world = await RingWorld.withKeys(1);
    world.cutNetwork();
    const ring = await world.open({}, { environmentKey: ENV_KEY });
    await world.clock.advance(30 * 60 * MINUTE);
    expect(readVarint(ring.encryptField('note'))).toBe(0);
  });

  test('a row of the ring is unavailable meanwhile, not tampered with', async () => {
    const world = await RingWorld.withKeys(1);
    const row = (await world.open()).encryptField('note');
    world.cutNetwork();
    const ring = await world.open({}, { environmentKey: ENV_KEY });
    expect((await rejectionOf(ring.decryptField(row))).code).toBe('KEY_UNAVAILABLE');
    expect(errorOf(() => ring.decryptFieldSync(row)).code).toBe('KEY_UNAVAILABLE');
  });

  test('a row of number 0 under any key of the ring is read', async () => {
    const world = await RingWorld.withKeys(3);
    const ring = await world.open();
    for (const number of [1, 2, 3]) {
      const row = encryptField('note', world.material(number), 'a');
      expect(await ring.decryptField(row, 'a')).toBe('note');
      expect(ring.decryptFieldSync(row, 'a')).toBe('note');
    }
  });
});

describe('the warnings at the start', () => {
  test('production: the variable is set at all', async () => {
    const world = await RingWorld.withKeys(1);
    await world.open({}, { environment: 'production', environmentKey: world.material(1) });
    expect(world.events('env_key_set_in_production')).toHaveLength(1);
    expect(world.events('env_key_not_on_ring')).toHaveLength(0);
  });

  test('staging: nothing, where its key is any of the ring', async () => {
    const world = await RingWorld.withKeys(3);
    for (const number of [1, 2, 3]) await world.open({}, { environmentKey: world.material(number) });
    expect(world.events().filter(({ level }) => level !== 'INFO')).toEqual([]);
  });

  test('staging: its key is not on the ring (C06)', async () => {
    const world = await RingWorld.withKeys(3);
    const ring = await world.open({}, { environmentKey: ENV_KEY });
    expect(world.events('env_key_not_on_ring')).toHaveLength(1);
    await world.clock.advance(20 * MINUTE);
    expect(world.events('env_key_not_on_ring')).toHaveLength(1);
    expect(inspect(ring)).not.toContain('key:');
  });

  test('a key that cannot be read puts the answer off until it can', async () => {
    const world = await RingWorld.withKeys(2);
    world.service.faults.set({
      kind: 'error',
      type: 'AccessDeniedException',
      operation: 'GetSecretValue',
      versionId: world.versionIds.get(1) ?? '',
    });
    await world.open({}, { environmentKey: ENV_KEY });
    expect(world.events('env_key_not_on_ring')).toHaveLength(0);
    world.mendNetwork();
    await world.clock.advance(5 * MINUTE);
    expect(world.events('env_key_not_on_ring')).toHaveLength(1);
  });
});

describe("the guide's example key, which everyone knows", () => {
  const EXAMPLE_KEY = 'rT8x9kp3QwE7yLmN2oA5vK1uG4hJ6fD9cB8sZ0tX3iY=';

  test.each(['staging', 'production'] as const)('does not encrypt in %s', async (environment) => {
    const world = await RingWorld.withKeys(0);
    await world.rotate(EXAMPLE_KEY);
    const error = await rejectionOf(world.open({}, { environment }));
    expect(error.code).toBe('INVALID_KEY_VALUE');
    expect(error.message).toContain('is the example key of the setup guide');
    expect(error.message).not.toContain('rT8x');
  });

  test('encrypts in local', async () => {
    const world = await RingWorld.withKeys(0);
    await world.rotate(EXAMPLE_KEY);
    const ring = await world.open({}, { environment: 'local' });
    expect(await ring.decryptField(ring.encryptField('note'))).toBe('note');
  });

  test('does not take over in an open ring, which keeps its last key', async () => {
    const world = await RingWorld.withKeys(1);
    const ring = await world.open();
    await world.rotate(EXAMPLE_KEY);
    expect((await rejectionOf(ring.refresh())).code).toBe('INVALID_KEY_VALUE');
    expect(readVarint(ring.encryptField('note'))).toBe(1);
  });

  test('still reads what it has written, once another key is current', async () => {
    const world = await RingWorld.withKeys(0);
    await world.rotate(EXAMPLE_KEY);
    await world.rotate();
    const ring = await world.open();
    const row = encryptField('note', Buffer.from(EXAMPLE_KEY, 'base64'), 'a', { number: toKeyNumber(1) });
    expect(await ring.decryptField(row, 'a')).toBe('note');
  });
});

describe('a ring that cannot be opened says why, and can be tried again', () => {
  test('before the first rotation: NO_CURRENT_KEY', async () => {
    const world = await RingWorld.withKeys(0);
    const error = await rejectionOf(world.open());
    expect(error.code).toBe('NO_CURRENT_KEY');
    expect(error.message).toContain('first rotation');
    const fallenBack = await world.open({}, { environmentKey: ENV_KEY });
    expect(world.events('aws_unavailable_using_env_fallback')).toMatchObject([{ code: 'NO_CURRENT_KEY' }]);
    await world.rotate();
    expect(readVarint((await world.open()).encryptField('note'))).toBe(1);
    await world.clock.advance(MINUTE);
    expect(readVarint(fallenBack.encryptField('note'))).toBe(1);
  });

  test("a secret that does not exist: SECRET_NOT_FOUND, with the guide's variables", async () => {
    const world = new RingWorld();
    const error = await rejectionOf(world.open());
    expect(error.code).toBe('SECRET_NOT_FOUND');
    expect(error.message).toContain('SECRETS_MANAGER_KEY_NAME');
    expect(world.clock.timers).toHaveLength(0);
  });

  test('a secret that waits to be deleted: SECRET_DELETED', async () => {
    const world = await RingWorld.withKeys(1);
    await world.call('DeleteSecret', { RecoveryWindowInDays: 7 });
    expect((await rejectionOf(world.open())).code).toBe('SECRET_DELETED');
  });

  test.each(['DescribeSecret', 'GetSecretValue'])(
    'access to %s denied: AWS_REFUSED, with what to grant',
    async (operation) => {
      const world = await RingWorld.withKeys(1);
      world.service.faults.set({ kind: 'error', type: 'AccessDeniedException', operation });
      const error = await rejectionOf(world.open());
      expect(error.code).toBe('AWS_REFUSED');
      expect(error.message).toContain('secretsmanager:GetSecretValue');
      expect(error.message).toContain('kms:Decrypt');
    },
  );

  test("a current key of 24 bytes: INVALID_KEY_VALUE, in the guide's words", async () => {
    const world = await RingWorld.withKeys(0);
    await world.rotate(randomBytes(24).toString('base64'));
    const error = await rejectionOf(world.open());
    expect(error.code).toBe('INVALID_KEY_VALUE');
    expect(error.message).toContain('Encryption key from AWS Secrets Manager must be 32 bytes, got 24 bytes');
  });
});

function loadSettingsOf(env: Record<string, string>) {
  const settings = loadSettings(env);
  if (settings.keySource !== 'aws') throw new Error('Expected settings of AWS.');
  return settings;
}

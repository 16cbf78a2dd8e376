import { encryptField } from '../../src/format/field.ts';
import { toKeyNumber } from '../../src/format/key-number.ts';
import { readVarint } from '../../src/format/varint.ts';
import { KeyRing } from '../../src/keyring/key-ring.ts';
import { loadSettings, type AwsSettings } from '../../src/keyring/settings.ts';
import { errorOf } from '../format/support/error-of.ts';
import { oldBox } from '../format/support/old-application.ts';
import { rejectionOf } from './support/rejection-of.ts';
import { closeRings, RingWorld, SECRET } from './support/ring-world.ts';

afterEach(closeRings);

const key = (letter: string) => Buffer.alloc(32, letter);
const text = (letter: string) => key(letter).toString('base64');
const ALONE = { ENVIRONMENT: 'production', ENCRYPTION_KEY_SOURCE: 'environment' };
const AWS = { ENVIRONMENT: 'production', AWS_REGION: 'us-east-1', SECRETS_MANAGER_KEY_NAME: SECRET };

describe('production without AWS', () => {
  const open = (env: Readonly<Record<string, string>>) => KeyRing.open(loadSettings({ ...ALONE, ...env }));

  test('a rotation adds a variable: the new key encrypts, and every older row is read', async () => {
    const first = await open({ ENCRYPTION_MASTER_KEY: text('a') });
    const rows = [first.encryptField('one', 'x')];
    const second = await open({ ENCRYPTION_MASTER_KEY: text('a'), ENCRYPTION_MASTER_KEY_V2: text('b') });
    rows.push(second.encryptField('two', 'x'), oldBox('old', { key: key('a') }));
    expect(rows.map((row) => readVarint(row)).slice(0, 2)).toEqual([0, 2]);
    expect(await Promise.all(rows.map((row) => second.decryptField(row, 'x')))).toEqual(['one', 'two', 'old']);
    expect(rows.map((row) => second.decryptFieldSync(row, 'x'))).toEqual(['one', 'two', 'old']);
    expect(second.health()).toMatchObject({
      canEncrypt: true,
      currentNumber: 2,
      keys: [
        { number: 0, isCurrent: false },
        { number: 2, isCurrent: true },
      ],
    });
    expect(second.usage()).toEqual([{ keyNumber: 2, encryptions: 1 }]);
    for (const ring of [first, second]) ring.close();
    expect(errorOf(() => second.encryptField('x')).code).toBe('RING_CLOSED');
  });

  test('a failed decryption says which key is missing', async () => {
    const ring = await open({ ENCRYPTION_MASTER_KEY: text('a'), ENCRYPTION_MASTER_KEY_V3: text('c') });
    const codeOf = async (number: number, letter: string) => {
      const row = encryptField('note', key(letter), 'x', { number: toKeyNumber(number) });
      return (await rejectionOf(ring.decryptField(row, 'x'))).code;
    };
    expect([await codeOf(2, 'b'), await codeOf(3, 'b'), await codeOf(4, 'd')]).toEqual([
      'KEY_RETIRED',
      'TAMPERED_OR_WRONG_CONTEXT',
      'KEY_NEVER_ISSUED',
    ]);
    ring.close();
  });
});

describe('keys of the environment beside AWS', () => {
  const settingsOf = (env: Readonly<Record<string, string>>) => loadSettings({ ...AWS, ...env }) as AwsSettings;

  test('numbered keys only decrypt, and never under the number of a key of the ring', async () => {
    const world = await RingWorld.withKeys(3);
    const ring = await world.open({}, settingsOf({ ENCRYPTION_MASTER_KEY_V2: text('b') }));
    const before = encryptField('before AWS', key('b'), 'x', { number: toKeyNumber(2) });
    const after = encryptField('in AWS', world.material(2), 'x', { number: toKeyNumber(2) });
    expect(await Promise.all([before, after].map((row) => ring.decryptField(row, 'x')))).toEqual([
      'before AWS',
      'in AWS',
    ]);
    expect(readVarint(ring.encryptField('note'))).toBe(3);
    expect(world.events('env_key_set_in_production')).toEqual([]);
  });

  test('the fallback is the key without a number, and writes number 0', async () => {
    const world = await RingWorld.withKeys(1);
    world.cutNetwork();
    const both = settingsOf({ ENCRYPTION_MASTER_KEY: text('a'), ENCRYPTION_MASTER_KEY_V2: text('b') });
    expect(readVarint((await world.open({}, both)).encryptField('note'))).toBe(0);
    const numbered = world.open({}, { ...settingsOf({ ENCRYPTION_MASTER_KEY_V2: text('b') }) });
    expect((await rejectionOf(numbered)).code).toBe('CANNOT_REACH_AWS');
  });

  test('ENCRYPTION_FALLBACK=off: no key from AWS, no ring, and no warning of a key that only decrypts', async () => {
    const world = await RingWorld.withKeys(1);
    const settings = settingsOf({ ENCRYPTION_MASTER_KEY: text('a'), ENCRYPTION_FALLBACK: 'off' });
    world.cutNetwork();
    expect((await rejectionOf(world.open({}, settings))).code).toBe('CANNOT_REACH_AWS');
    world.mendNetwork();
    const ring = await world.open({}, settings);
    expect(readVarint(ring.encryptField('note'))).toBe(1);
    expect(await ring.decryptField(encryptField('fallen back', key('a'), 'x'), 'x')).toBe('fallen back');
    expect(world.events('env_key_set_in_production')).toEqual([]);
  });
});

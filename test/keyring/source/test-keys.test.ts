import { KeyRing } from '../../../src/keyring/key-ring.ts';
import { TestKeys } from '../../../src/keyring/source/test-keys.ts';

const rings: KeyRing[] = [];
async function ringFor(keys?: TestKeys): Promise<KeyRing> {
  const ring = await KeyRing.forTest(keys);
  rings.push(ring);
  return ring;
}
afterEach(() => {
  for (const ring of rings.splice(0)) ring.close();
  delete process.env['ENVIRONMENT'];
});

test('a ring for tests encrypts with key 1, and decrypts', async () => {
  const ring = await ringFor();
  const row = ring.encryptField('note', 'patients:7:notes');
  expect(await ring.decryptField(row, 'patients:7:notes')).toBe('note');
  expect(ring.usage()).toMatchObject([{ keyNumber: 1, encryptions: 1 }]);
});

test('after a rotation it encrypts with the next key, and older rows stay readable, also in another ring', async () => {
  const keys = new TestKeys();
  const ring = await ringFor(keys);
  const rows = [ring.encryptField('1')];
  for (const number of [2, 3]) {
    expect(keys.rotate()).toBe(number);
    await ring.refresh();
    rows.push(ring.encryptField(String(number)));
  }
  expect(ring.usage().map(({ keyNumber }) => keyNumber)).toEqual([1, 2, 3]);
  const other = await ringFor(keys);
  expect(await Promise.all(rows.map((row) => other.decryptField(row)))).toEqual(['1', '2', '3']);
});

test('the keys of two tests differ, and no test key opens the row of a number that was never given', async () => {
  const [one, two] = [await ringFor(), await ringFor()];
  await expect(two.decryptField(one.encryptField('note'))).rejects.toMatchObject({ code: 'TAMPERED_OR_WRONG_CONTEXT' });
  const keys = new TestKeys();
  const later = await ringFor(keys);
  keys.rotate();
  keys.rotate();
  keys.rotate();
  await later.refresh();
  await expect(one.decryptField(later.encryptField('note'))).rejects.toMatchObject({ code: 'KEY_NEVER_ISSUED' });
});

test.each(['production', 'staging'])('is refused where ENVIRONMENT is %s', async (environment) => {
  process.env['ENVIRONMENT'] = environment;
  await expect(KeyRing.forTest()).rejects.toMatchObject({
    code: 'INVALID_SETTINGS',
    message: expect.stringContaining(environment) as string,
  });
});

test('writes nothing to the log, and a version that it does not have is no key', async () => {
  const written = jest.spyOn(process.stderr, 'write').mockReturnValue(true);
  await ringFor();
  expect(written).not.toHaveBeenCalled();
  written.mockRestore();
  await expect(new TestKeys().read('00000000-0000-4000-8000-000000000002')).rejects.toMatchObject({
    code: 'KEY_UNAVAILABLE',
  });
});

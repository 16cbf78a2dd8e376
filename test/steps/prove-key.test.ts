import { randomBytes } from 'node:crypto';
import * as ciphertext from '../../src/format/ciphertext.ts';
import { KeyMaterial } from '../../src/format/key-material.ts';
import { proveKey, requireForeign } from '../../src/steps/prove-key.ts';
import { errorOf } from '../format/support/error-of.ts';

jest.mock('../../src/format/ciphertext.ts', () => ({
  __esModule: true,
  ...jest.requireActual<object>('../../src/format/ciphertext.ts'),
}));

afterEach(() => {
  jest.restoreAllMocks();
});

const key = () => KeyMaterial.fromBytes(randomBytes(32));

test('a key passes that decrypts what it has encrypted, and refuses it with a flipped bit', () => {
  const decrypt = jest.spyOn(ciphertext, 'openNumbered');
  const sealed = proveKey(key());
  const tried = decrypt.mock.calls.map(([bytes]) => Buffer.from(bytes));
  const flipped = tried.map((bytes) => [...bytes].flatMap((byte, index) => (byte === sealed[index] ? [] : [index])));
  // As it is, then with one bit of header, nonce, ciphertext and tag.
  expect(flipped).toEqual([[], [0], [1], [13], [sealed.length - 1]]);
  expect(sealed).toHaveLength(1 + 12 + 'Patient has diabetes'.length + 16);
});

test('a key fails that cannot decrypt what it has encrypted', () => {
  jest.spyOn(ciphertext, 'openNumbered').mockReturnValue(Buffer.from('something else'));
  expect(errorOf(() => proveKey(key()))).toMatchObject({
    code: 'ROUND_TRIP_FAILED',
    message: expect.stringContaining('it cannot decrypt what it has just encrypted. Nothing was promoted.') as string,
  });
});

test.each([
  [1, 'header'],
  [2, 'nonce'],
  [3, 'ciphertext'],
  [4, 'tag'],
])('a key fails under which a flipped bit is not noticed: decryption %i, the %s', (nth, part) => {
  const { openNumbered } = jest.requireActual<typeof ciphertext>('../../src/format/ciphertext.ts');
  let calls = -1;
  const careless = jest.spyOn(ciphertext, 'openNumbered').mockImplementation((...args) => {
    calls += 1;
    return calls === nth ? Buffer.from('Patient has diabetes') : openNumbered(...args);
  });
  expect(errorOf(() => proveKey(key()))).toMatchObject({
    code: 'ROUND_TRIP_FAILED',
    message: expect.stringContaining(`a flipped bit in the ${part} was not noticed`) as string,
  });
  expect(careless).toHaveBeenCalledTimes(nth + 1);
});

test('a fault of the program is no failed proof', () => {
  const fault = new TypeError('no such function');
  jest.spyOn(ciphertext, 'openNumbered').mockImplementation(() => {
    throw fault;
  });
  expect(() => proveKey(key())).toThrow(fault);
});

test('another key fails that opens what this one has encrypted, and the error names its number', () => {
  const one = key();
  const sealed = proveKey(one);
  expect(() => {
    requireForeign(key(), sealed, 3);
  }).not.toThrow();
  const error = errorOf(() => {
    requireForeign(one, sealed, 3);
  });
  expect(error.code).toBe('ROUND_TRIP_FAILED');
  expect(error.message).toContain('key 3, a different key, decrypts what it has encrypted');
});

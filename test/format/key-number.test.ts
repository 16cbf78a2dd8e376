import fc from 'fast-check';
import { MAX_KEY_NUMBER, numberingLabel, numberOfLabel, toKeyNumber } from '../../src/format/key-number.ts';
import { errorOf } from './support/error-of.ts';

test.each([1, 2, 17, MAX_KEY_NUMBER])('%i is a key number', (value) => {
  expect(toKeyNumber(value)).toBe(value);
});

test.each([0, -1, 1.5, NaN, Infinity, MAX_KEY_NUMBER + 1])('%d is no key number', (value) => {
  const error = errorOf(() => toKeyNumber(value));
  expect(error.code).toBe('INVALID_KEY_NUMBER');
  expect(error.message).toContain(`got ${value}`);
});

test('a number is spelled by its label and read back from it', () => {
  expect(numberingLabel(toKeyNumber(7))).toBe('key-v7');
  fc.assert(
    fc.property(fc.integer({ min: 1, max: MAX_KEY_NUMBER }), (value) => {
      expect(numberOfLabel(numberingLabel(toKeyNumber(value)))).toBe(value);
    }),
  );
});

test.each([
  'AWSCURRENT',
  'key-v0',
  'key-v01',
  'key-v',
  'key-v-1',
  'key-v1.5',
  'key-v1000000000',
  'key-v1 ',
  ' key-v1',
  'key-v1\n',
  'Key-v1',
  'key-v１',
  'my-key-v1',
  'key-incoming',
  '',
])('%p is a foreign label and gives no number', (label) => {
  expect(numberOfLabel(label)).toBeUndefined();
});

test('a label that gives a number is the one label of that number', () => {
  fc.assert(
    fc.property(fc.stringMatching(/^key-v[0-9]{1,11}$/), (label) => {
      const number = numberOfLabel(label);
      if (number !== undefined) expect(numberingLabel(number)).toBe(label);
    }),
  );
});

test.each([
  ['seven', 'a string'],
  [undefined, 'undefined'],
  [[7], 'an array'],
  [7.5, '7.5'],
])('what is no key number is named, and shown where it is a number (%p)', (value, found) => {
  const refused = `A key number is a whole number from 1 to 999999999, got ${found}.`;
  expect(() => toKeyNumber(value as number)).toThrow(new Error(refused));
});

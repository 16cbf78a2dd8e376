import fc from 'fast-check';
import { MAX_KEY_NUMBER, toKeyNumber, type KeyNumber } from '../../src/format/key-number.ts';
import { readVarint, varintLength, writeVarint } from '../../src/format/varint.ts';

const anyNumber = fc.integer({ min: 0, max: MAX_KEY_NUMBER }).map(keyNumberOrZero);

// C29: header encodings break when numbers grow.
test.each([
  [0, '00'],
  [1, '01'],
  [5, '05'],
  [127, '7f'],
  [128, '8001'],
  [255, 'ff01'],
  [256, '8002'],
  [16_383, 'ff7f'],
  [16_384, '808001'],
  [2_097_151, 'ffff7f'],
  [2_097_152, '80808001'],
  [268_435_455, 'ffffff7f'],
  [268_435_456, '8080808001'],
  [999_999_999, 'ff93ebdc03'],
])('%i is written as %s and read back', (value, hex) => {
  const number = keyNumberOrZero(value);
  expect(written(number)).toBe(hex);
  expect(varintLength(number)).toBe(hex.length / 2);
  expect(readVarint(Buffer.from(hex, 'hex'))).toBe(value);
});

test('any number is read back, whatever follows it', () => {
  fc.assert(
    fc.property(anyNumber, fc.uint8Array({ maxLength: 8 }), (number, rest) => {
      expect(readVarint(Buffer.concat([Buffer.from(written(number), 'hex'), rest]))).toBe(number);
    }),
  );
});

test.each([
  ['nothing', ''],
  ['an end that never comes', '80'],
  ['a longer one without an end', 'ffffffff'],
  ['six bytes', '808080808001'],
  ['continued for ever', 'ff'.repeat(40)],
  ['0 in two bytes', '8000'],
  ['1 in two bytes', '8100'],
  ['127 in three bytes', 'ff8000'],
  ['1,000,000,000', '8094ebdc03'],
  ['2^32', '8080808010'],
  ['2^32 + 1, which 32 bits would take for 1', '8180808010'],
  ['the most that five bytes hold', 'ffffffff7f'],
])('%s is no number (%s)', (_, hex) => {
  expect(readVarint(Buffer.from(hex, 'hex'))).toBeUndefined();
});

test('bytes that give a number are the one spelling of it', () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 1, maxLength: 6 }), (bytes) => {
      const number = readVarint(bytes);
      if (number === undefined) return;
      const spelled = Buffer.from(bytes.subarray(0, varintLength(number))).toString('hex');
      expect(spelled).toBe(written(number));
    }),
    { numRuns: 2000 },
  );
});

function written(number: KeyNumber | 0): string {
  const target = Buffer.alloc(8);
  return target.subarray(0, writeVarint(target, number)).toString('hex');
}

function keyNumberOrZero(value: number): KeyNumber | 0 {
  return value === 0 ? 0 : toKeyNumber(value);
}

import fc from 'fast-check';
import { decodeStrictBase64 } from '../../src/format/strict-base64.ts';

test('base64 of any bytes is read back', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => {
      expect(decodeStrictBase64(Buffer.from(bytes).toString('base64'))).toEqual(Buffer.from(bytes));
    }),
  );
});

// RFC 4648, section 10
test.each([
  ['', ''],
  ['Zg==', 'f'],
  ['Zm8=', 'fo'],
  ['Zm9v', 'foo'],
  ['Zm9vYg==', 'foob'],
  ['Zm9vYmE=', 'fooba'],
  ['Zm9vYmFy', 'foobar'],
])('%p is base64 of %p', (text, plain) => {
  expect(decodeStrictBase64(text)?.toString()).toBe(plain);
});

test.each([
  ['padding left out', 'Zg'],
  ['half of the padding left out', 'Zg='],
  ['too much padding', 'Zm9v===='],
  ['padding alone', '===='],
  ['padding in the middle', 'Zg==Zg=='],
  ['trailing bits that are not zero', 'Zh=='],
  ['trailing bits that are not zero, one padding', 'Zm9='],
  ['the URL alphabet', '-_-_'],
  ['white space at the end', 'Zm9v\n'],
  ['white space at the start', ' Zm9v'],
  ['white space inside', 'Zm 9v'],
  ['a single character', 'Z'],
  ['a foreign character', 'Zm9!'],
  ['a character whose low byte is a letter', 'Zm9\u0176'],
  ['a null character', 'Zm9v\0'],
  ['a full-width letter', 'Ｚm9v'],
])('%s is not strict base64', (_, text) => {
  expect(decodeStrictBase64(text)).toBeUndefined();
});

test('any bytes have one spelling only', () => {
  const nearlyBase64 = fc.string({
    unit: fc.constantFrom('A', 'Z', 'a', 'z', '0', '9', '+', '/', '=', '-', '_', ' ', '\n'),
    maxLength: 9,
  });
  fc.assert(
    fc.property(nearlyBase64, (text) => {
      const bytes = decodeStrictBase64(text);
      if (bytes !== undefined) expect(bytes.toString('base64')).toBe(text);
      else expect(text).not.toMatch(/^([A-Za-z0-9+/]{4})*$/);
    }),
  );
});

import { randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { KeyMaterial } from '../../src/format/key-material.ts';
import { invalidKeyText, readKeyValue, writeKeyValue } from '../../src/format/key-value.ts';
import { errorOf } from './support/error-of.ts';
import { everythingPrinted, spellingsOf } from './support/secret-spellings.ts';

const GUIDE_KEY = 'rT8x9kp3QwE7yLmN2oA5vK1uG4hJ6fD9cB8sZ0tX3iY=';
const GUIDE_BYTES = Buffer.from(GUIDE_KEY, 'base64');
const NEW_KEY = KeyMaterial.fromBytes(Buffer.alloc(32, 9));
const NEW_BASE64 = Buffer.alloc(32, 9).toString('base64');
const NOW = new Date('2026-10-12T10:30:00Z');

const key32 = fc.uint8Array({ minLength: 32, maxLength: 32 }).map((bytes) => Buffer.from(bytes));

/** Every way to spell a key in a secret, and how the next key is then written. */
const SPELLINGS: readonly (readonly [string, (key: Buffer) => object, object])[] = [
  ['base64', (key) => text(key.toString('base64')), text(NEW_BASE64)],
  ['base64 in white space', (key) => text(` \t\r\n${key.toString('base64')}\r\n`), text(NEW_BASE64)],
  ['hexadecimal', (key) => text(key.toString('hex')), text(NEW_BASE64)],
  ['hexadecimal in capitals', (key) => text(`${key.toString('hex').toUpperCase()}\n`), text(NEW_BASE64)],
  ['JSON', (key) => json({ encryption_key: key.toString('base64') }), json({ encryption_key: NEW_BASE64 })],
  [
    'JSON in white space',
    (key) => text(` \t\r\n{"encryption_key":"${key.toString('base64')}"}\n`),
    text(` \t\r\n{"encryption_key":"${NEW_BASE64}"}\n`),
  ],
  ['JSON of hexadecimal', (key) => json({ encryption_key: key.toString('hex') }), json({ encryption_key: NEW_BASE64 })],
  ['bytes', (key) => ({ SecretBinary: new Uint8Array(key) }), { SecretBinary: Buffer.alloc(32, 9) }],
];

describe.each(SPELLINGS)('a key in %s', (_, spell, next) => {
  test('is read', () => {
    fc.assert(
      fc.property(key32, (bytes) => {
        expect(readKeyValue(spell(bytes)).key.exportBytes()).toEqual(bytes);
      }),
    );
  });

  test('is replaced by one in the same format', () => {
    expect(writeKeyValue(NEW_KEY, readKeyValue(spell(GUIDE_BYTES)).format, NOW)).toEqual(next);
  });

  test('is printed by nothing, and neither is what stands beside it', () => {
    fc.assert(
      fc.property(key32, (bytes) => {
        const printed = everythingPrinted(readKeyValue(spell(bytes)));
        for (const spelling of spellingsOf(bytes)) expect(printed).not.toContain(spelling);
      }),
    );
  });

  test('is read back after it was written', () => {
    fc.assert(
      fc.property(key32, (bytes) => {
        const written = writeKeyValue(KeyMaterial.fromBytes(bytes), readKeyValue(spell(GUIDE_BYTES)).format, NOW);
        expect(readKeyValue(written).key.exportBytes()).toEqual(bytes);
      }),
    );
  });
});

test('no decoder of a value accepts what the other formats mean', () => {
  fc.assert(
    fc.property(key32, (bytes) => {
      const inText = [bytes.toString('base64'), bytes.toString('hex'), json({ encryption_key: bytes }).SecretString];
      for (const spelled of inText) {
        // Text is never taken for bytes, nor bytes for text.
        expect(errorOf(() => readKeyValue({ SecretBinary: Buffer.from(spelled) })).code).toBe('INVALID_KEY_VALUE');
      }
      // Sixty-four hexadecimal digits are base64 of 48 bytes as well.
      const { key, format } = readKeyValue(text(bytes.toString('hex')));
      expect(key.exportBytes()).toEqual(bytes);
      expect(format).toEqual({ kind: 'base64' });
    }),
  );
});

test('32 characters of text are no key, whatever they are', () => {
  fc.assert(
    fc.property(fc.string({ minLength: 32, maxLength: 32 }), (characters) => {
      expect(errorOf(() => readKeyValue(text(characters))).code).toBe('INVALID_KEY_VALUE');
    }),
  );
});

test.each([
  ['24 bytes in base64', text(randomBytes(24).toString('base64')), 24],
  ['33 bytes in base64', text(randomBytes(33).toString('base64')), 33],
  ['24 bytes in JSON', json({ encryption_key: randomBytes(24).toString('base64') }), 24],
  ['24 bytes of SecretBinary', { SecretBinary: randomBytes(24) }, 24],
  ['the base64 text as SecretBinary', { SecretBinary: Buffer.from(GUIDE_KEY) }, 44],
])('%s are refused in the words of the guide', (_, value, length) => {
  expect(errorOf(() => readKeyValue(value))).toMatchObject({
    code: 'INVALID_KEY_VALUE',
    message: `Encryption key from AWS Secrets Manager must be 32 bytes, got ${length} bytes`,
  });
});

test.each([
  ['no value', {}, 'neither SecretString nor SecretBinary'],
  ['an empty text', text(''), 'an empty text'],
  ['white space', text(' \n'), 'an empty text'],
  ['the padding left out', text(GUIDE_KEY.slice(0, -1)), '43 characters that are not base64 (their number'],
  ['the URL alphabet', text(Buffer.alloc(32, 0xff).toString('base64url')), 'URL alphabet'],
  ['trailing bits that are not zero', text(GUIDE_KEY.replace('Y=', 'Z=')), '44 characters that are not base64.'],
  ['white space inside', text(`${GUIDE_KEY.slice(0, 20)}\n${GUIDE_KEY.slice(20)}`), 'white space inside'],
  ['a no-break space around it', text(`\u00a0${GUIDE_KEY}`), 'not base64'],
  ['a byte order mark before it', text(`\uFEFF${GUIDE_KEY}`), 'not base64'],
  ['a form feed after it', text(`${GUIDE_KEY}\f`), 'not base64'],
  ['quotes around it', text(`"${GUIDE_KEY}"`), 'not base64 (they are in quotation marks'],
  ['a quote before it', text(`'${GUIDE_KEY}`), 'which docker --env-file keeps'],
  ['a quote after it', text(`${GUIDE_KEY}\``), 'which docker --env-file keeps'],
  [
    'a quote within it',
    text(`${GUIDE_KEY.slice(0, 8)}"${GUIDE_KEY.slice(8, -1)}`),
    '44 characters that are not base64.',
  ],
  ['the URL alphabet and another mark', text('-_!'), 'not base64 (their number'],
  ['another mark and the URL alphabet', text('!-_'), 'not base64 (their number'],
  ['63 hexadecimal digits', text('a'.repeat(63)), 'not a multiple of 4'],
  ['64 hexadecimal digits and more', text(`${'a'.repeat(64)}x`), '65 characters that are not base64'],
  ['more and 64 hexadecimal digits', text(`x${'a'.repeat(64)}`), '65 characters that are not base64'],
  ['broken JSON', text(`{"encryption_key":"${GUIDE_KEY}"`), 'not valid JSON'],
  ['a JSON object without it', json({ key: GUIDE_KEY }), 'without "encryption_key"'],
  ['a JSON object with it further in', json({ a: { encryption_key: GUIDE_KEY } }), 'without "encryption_key"'],
  ['a JSON object with a number', json({ encryption_key: 1 }), 'not a string'],
  ['a JSON object with an object', json({ encryption_key: { encryption_key: GUIDE_KEY } }), 'not a string'],
  [
    'a JSON object with two',
    text(`{"encryption_key":"${GUIDE_KEY}","encryption\\u005fkey":"${GUIDE_KEY}"}`),
    'more than one',
  ],
  ['JSON in JSON', json({ encryption_key: JSON.stringify({ encryption_key: GUIDE_KEY }) }), 'not base64'],
  ['an empty text in JSON', json({ encryption_key: '' }), 'an empty text'],
])('%s is refused, and the error says what was found but not the value', (_, value, found) => {
  const error = errorOf(() => readKeyValue(value));
  expect(error.code).toBe('INVALID_KEY_VALUE');
  expect(error.message).toContain(found);
  expect(error.message).toContain('must be base64 of 32 bytes, 64 hexadecimal digits, a JSON object');
  expect(error.message).toContain('openssl rand -base64 32');
  expect(error.cause).toBeUndefined();
  const printed = everythingPrinted(error);
  for (let start = 0; start + 8 <= GUIDE_KEY.length; start += 1) {
    expect(printed).not.toContain(GUIDE_KEY.slice(start, start + 8));
  }
});

test('an error about a key from elsewhere names that place', () => {
  const error = errorOf(() => readKeyValue(text('')));
  expect(error.message).toMatch(/^Encryption key from AWS Secrets Manager must be base64 of 32 bytes/);
  // Nothing in the name is taken for a pattern.
  expect(invalidKeyText(error, 'The key on $& of standard input')).toMatch(
    /^The key on \$& of standard input must be base64 of 32 bytes/,
  );
});

test('a text of the greatest length that a secret can have is refused at once', () => {
  const before = process.cpuUsage();
  for (const long of [`${' '.repeat(65_000)}x y`, '{'.repeat(65_000), `x${' '.repeat(65_000)}y`]) {
    expect(errorOf(() => readKeyValue(text(long))).code).toBe('INVALID_KEY_VALUE');
  }
  // Its own time, which other processes do not lengthen.
  expect(process.cpuUsage(before).user).toBeLessThan(1_000_000);
});

describe('a JSON object', () => {
  const rotated = (object: object) =>
    writeKeyValue(NEW_KEY, readKeyValue(json({ encryption_key: GUIDE_KEY, ...object })).format, NOW);

  test('keeps its other fields, their order and its layout', () => {
    const before = `{ "version": 3,\n  "encryption_key" :"${GUIDE_KEY}", "10":1.0, "id": 12345678901234567890, "2":{"x":[]} }\n`;
    expect(writeKeyValue(NEW_KEY, readKeyValue(text(before)).format, NOW)).toEqual(
      text(before.replace(GUIDE_KEY, NEW_BASE64)),
    );
  });

  test('has created_at set to now, and expires_at moved by the same span', () => {
    expect(rotated({ created_at: '2025-10-12T10:30:00Z', expires_at: '2027-10-12T10:30:00Z' })).toEqual(
      json({ encryption_key: NEW_BASE64, created_at: '2026-10-12T10:30:00Z', expires_at: '2028-10-11T10:30:00Z' }),
    );
  });

  test('keeps the kind of each date', () => {
    expect(rotated({ created_at: 1_760_265_000, expires_at: '2026-10-12' })).toEqual(
      json({ encryption_key: NEW_BASE64, created_at: 1_791_801_000, expires_at: '2027-10-12' }),
    );
  });

  test.each([
    ['without created_at', { expires_at: '2026-10-12' }],
    ['with a created_at that cannot be read', { created_at: 'last week', expires_at: '2026-10-12' }],
    ['with a created_at of null', { created_at: null, expires_at: 1_791_801_000 }],
    ['with a created_at that is an object', { created_at: { day: 1 } }],
    ['with a created_at that is an array', { created_at: ['2025-10-12'], expires_at: '2026-10-12' }],
    ['with dates in an object within', { meta: { created_at: '2025-10-12', expires_at: '2026-10-12' } }],
  ])('%s keeps its dates as they are', (_, dates) => {
    expect(rotated(dates)).toEqual(json({ encryption_key: NEW_BASE64, ...dates }));
  });

  test('keeps an expires_at that cannot be read, or that means never', () => {
    for (const expires_at of ['never', null, '9999-12-31T23:59:59Z']) {
      expect(rotated({ created_at: '2025-10-12', expires_at })).toEqual(
        json({ encryption_key: NEW_BASE64, created_at: '2026-10-12', expires_at }),
      );
    }
  });

  test('prints nothing of its other fields, and its format holds no key', () => {
    const { format } = readKeyValue(json({ encryption_key: GUIDE_KEY, password: 'hunter2' }));
    expect(everythingPrinted(format)).not.toContain('hunter2');
    expect(JSON.stringify(format)).toBe('{"kind":"json"}');
    expect(JSON.stringify(writeKeyValue(NEW_KEY, format, NOW))).not.toContain(GUIDE_KEY);
  });
});

function text(value: string): { SecretString: string } {
  return { SecretString: value };
}

function json(value: object): { SecretString: string } {
  return text(JSON.stringify(value));
}

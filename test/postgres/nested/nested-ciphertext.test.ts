import { randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { KeyMaterial } from '../../../src/format/key-material.ts';
import { readVarint } from '../../../src/format/varint.ts';
import { openWithAnyKey } from '../../../src/postgres/attribution.ts';
import { nestedKeys } from '../../../src/postgres/nested/nested-ciphertext.ts';
import { ShortGcm } from '../../../src/postgres/short-gcm.ts';
import { openable } from '../../../src/postgres/tag-check.ts';
import { OLD_FORMS } from '../../format/support/old-application.ts';
import { everyAttempt } from '../support/every-attempt.ts';
import { CONTEXT, keyOf, keys, sealed, slashed } from './support/inner.ts';

/** `RUNS=20000`: more texts than an ordinary run compares. */
const RUNS = Number(process.env['RUNS'] ?? 50);
const SEED = Number(process.env['SEED'] ?? Date.now() % 1_000_000_000);
/** From one length to the next. No multiple of three, so that every remainder of base64 occurs. */
const STEP = RUNS < 1000 ? 4 : 1;
jest.setTimeout(60_000 + RUNS * 100);

const number = fc.integer({ min: 1, max: 3 });

/** A ciphertext in a context of the row, in none, or in another one; under its number, 0, or a number that was moved. */
const numbered = fc
  .record({
    plaintext: fc.uint8Array({ maxLength: 400 }),
    number,
    header: fc.constantFrom(undefined, undefined, 0, 5, 20),
    context: fc.constantFrom(CONTEXT, '', 'another'),
  })
  .map(({ plaintext, number: key, header, context }) => sealed(plaintext, key, context, header ?? key));

const old = fc
  .record({ form: fc.constantFrom(...Object.values(OLD_FORMS)), number, text: fc.string({ maxLength: 100 }) })
  .map(({ form, number: key, text }) => form(text, { key: keyOf(key) }));

/** Base64 in lines of one length, and a first one that is shorter by some characters. */
const unpaddedLines = (bytes: Buffer, length: number, shorter = 0) =>
  `${'#'.repeat(shorter)}${bytes.toString('base64').replaceAll('=', '')}`
    .replaceAll(new RegExp(`.{${length}}(?!$)`, 'g'), '$&\n')
    .replaceAll('#', '');

const SPELLINGS: readonly ((bytes: Buffer) => string)[] = [
  (bytes) => bytes.toString('base64'),
  (bytes) => bytes.toString('base64').replaceAll('=', ''),
  (bytes) => bytes.toString('base64url'),
  (bytes) => bytes.toString('hex'),
  (bytes) => bytes.toString('hex').toUpperCase(),
  (bytes) => bytes.toString('base64').replaceAll(/(.{64})/g, '$1\n'),
  (bytes) => bytes.toString('hex').replaceAll(/(.{60})/g, '$1\r\n  '),
  (bytes) => `-----BEGIN BOX-----\n${unpaddedLines(bytes, 64)}\n-----END BOX-----`,
  (bytes) => `-----BEGIN ENCRYPTED_DATA-----\n${bytes.toString('base64').replaceAll(/(.{64})/g, '$1\n')}\n`,
  (bytes) => `of 6f1c2a34-0a1b-4c2d-8e3f-1234567890ab\r\n${bytes.toString('base64').replaceAll(/(.{76})/g, '$1\r\n')}`,
  (bytes) => `Box: ${unpaddedLines(bytes, 30, 12)}\n--boundary123`,
  (bytes) => `theLineBeforeTheBox\n${unpaddedLines(bytes, 76)}\nSincerely yours`,
  (bytes) => `/files/${bytes.toString('base64url')}/photo`,
  (bytes) => `doc_${bytes.toString('base64url')}-6f1c2a34-0a1b-4c2d-8e3f-1234567890ab`,
  (bytes) => JSON.stringify({ v: bytes.toString('base64') }).replaceAll('/', '\\/'),
  (bytes) => JSON.stringify([JSON.stringify({ v: bytes.toString('base64') }).replaceAll('+', '\\u002b')]),
  (bytes) => JSON.stringify({ v: bytes }),
  (bytes) => JSON.stringify(new Uint8Array(bytes)),
  (bytes) => JSON.stringify([JSON.stringify([...bytes], null, 2)]),
  (bytes) => `https://clinic.example/open?t=${encodeURIComponent(bytes.toString('base64'))}&of=7`,
  (bytes) => encodeURIComponent(encodeURIComponent(JSON.stringify({ v: bytes.toString('base64'), w: '\n' }))),
];

const octal = (byte: number) => `\\${byte.toString(8).padStart(3, '0')}`;
const backslashed = (text: string) => text.replaceAll('\\', '\\\\');
const inRow = (text: string) => `(7,"${backslashed(text).replaceAll('"', '""')}",x)`;

/** `bytea_output = escape` of PostgreSQL. */
const escapedForm = (bytes: Buffer) =>
  backslashed(bytes.toString('latin1')).replaceAll(/[^ -~]/g, (one) => octal(one.charCodeAt(0)));

/** `encode(…, 'escape')`, which leaves control characters as they are. */
const encodedForm = (bytes: Buffer) =>
  backslashed(bytes.toString('latin1')).replaceAll(/[\0\x80-\xff]/g, (one) => octal(one.charCodeAt(0)));

const NAMES_IN_PYTHON = new Map(['\tt', '\nn', '\rr', "''"].map((pair) => [pair.charAt(0), `\\${pair.charAt(1)}`]));
const python = (bytes: Buffer) =>
  `b'${backslashed(bytes.toString('latin1')).replaceAll(
    /[^ -&(-~]/g,
    (one) => NAMES_IN_PYTHON.get(one) ?? `\\x${one.charCodeAt(0).toString(16).padStart(2, '0')}`,
  )}'`;

const hash = () => randomBytes(32).toString('hex');
const linesOf = (bytes: Buffer, length: number) =>
  bytes.toString('base64').replaceAll(new RegExp(`(.{${length}})(?!$)`, 'g'), '$1\n');

/** Lines of the same length and alphabet around it, and longer runs of the alphabet before it. */
const AMONG_ALIKE: readonly ((bytes: Buffer) => string)[] = [
  (bytes) => `manifest\n${hash()}\n${linesOf(bytes, 64)}\n`,
  (bytes) => `${hash()}\n${hash()}\n${hash()}\n${linesOf(bytes, 64)}\nthe end`,
  (bytes) => `${randomBytes(57).toString('base64')}\r\n${linesOf(bytes, 76).replaceAll('\n', '\r\n')}`,
  (bytes) => `${linesOf(bytes, 64)}\n${hash()}\n`,
  (bytes) => `${hash()}\n${linesOf(bytes, 64)}\n${hash()}\n${hash()}\n`,
  (bytes) => `https://example.com/files/documents/${bytes.toString('base64url')}`,
  (bytes) => `/files/documents/of/patients/${bytes.toString('base64url')}/photo`,
  (bytes) => `/v1/tenants/6f1c2a34-0a1b-4c2d-8e3f-1234567890ab/notes/${bytes.toString('base64url')}.bin`,
  (bytes) => `backup_of_the_patients_notes_2024_01_${bytes.toString('base64')}`,
];

const WITH_ESCAPES: readonly ((bytes: Buffer) => string)[] = [
  escapedForm,
  encodedForm,
  python,
  (bytes) => JSON.stringify({ id: 1, notes: escapedForm(bytes) }),
  (bytes) => JSON.stringify([JSON.stringify({ notes: encodedForm(bytes) })]),
  (bytes) => `INFO ${JSON.stringify({ id: 1, notes: escapedForm(bytes) })} was cut {"a`,
  (bytes) => inRow(escapedForm(bytes)),
  (bytes) => inRow(encodedForm(bytes)),
  (bytes) => JSON.stringify({ was: inRow(escapedForm(bytes)) }),
  (bytes) => `{"${backslashed(escapedForm(bytes)).replaceAll('"', '\\"')}",NULL}`,
  (bytes) => `7\t${backslashed(escapedForm(bytes))}\tx\n8\t\\\\x01\ty\n`,
  (bytes) => `INSERT INTO t VALUES (7, '${escapedForm(bytes).replaceAll("'", "''")}'::bytea, 'é');`,
  (bytes) => `the note of José\nnotes=${escapedForm(bytes)}\nand so on`,
  (bytes) => `{'id': 7, 'of': 'José', 'notes': ${python(bytes)}}`,
  (bytes) => JSON.stringify({ error: `unexpected value ${python(bytes)}` }),
];

const asLiteral = (text: string) => ` E'${backslashed(text).replaceAll("'", "''")}'`;
const jsonInRow = (bytes: Buffer) => inRow(JSON.stringify({ id: 9, notes: escapedForm(bytes), of: "O'Neil" }));

/** Bytes with the named escapes of a language. */
const withNames = (names: string, hex: (byte: number) => string) => {
  const named = new Map(names.split(' ').map((pair) => [pair.charCodeAt(0), `\\${pair.slice(1)}`]));
  const written = (code: number) =>
    named.get(code) ?? (code > 31 && code < 127 ? String.fromCharCode(code) : hex(code));
  return (bytes: Buffer) => Array.from(bytes, written).join('');
};
const smallHex = (byte: number) => `\\x${byte.toString(16).padStart(2, '0')}`;
const go = withNames('\x07a \bb \tt \nn \vv \ff \rr "" \\\\', smallHex);
const ruby = withNames('\x07a \bb \tt \nn \vv \ff \rr \x1be "" \\\\', (byte) =>
  smallHex(byte).toUpperCase().replace('X', 'x'),
);
const rust = withNames('\x000 \tt \nn \rr "" \\\\', smallHex);

/** Escapes of several writers in one another. */
const IN_TURN: readonly ((bytes: Buffer) => string)[] = [
  (bytes) => inRow(inRow(escapedForm(bytes))),
  jsonInRow,
  (bytes) => asLiteral(inRow(escapedForm(bytes))),
  (bytes) => asLiteral(jsonInRow(bytes)),
  (bytes) => JSON.stringify({ sql: `UPDATE t SET was = ${asLiteral(jsonInRow(bytes))}` }),
  (bytes) => inRow(JSON.stringify([inRow(escapedForm(bytes))])),
];

const LANGUAGES: readonly ((bytes: Buffer) => string)[] = [
  (bytes) => `"${go(bytes)}"`,
  (bytes) => `{"id"=>1, "notes"=>"${ruby(bytes)}"}`,
  (bytes) => `Field { notes: b"${rust(bytes)}" }`,
];

/** As `urllib.parse.quote` of bytes, which leaves a slash, and PHP's `urlencode`, which writes a blank as a plus. */
const quotedBytes = (bytes: Buffer, kept = /[\w.~/-]/) =>
  Array.from(bytes, (code) => {
    const one = String.fromCharCode(code);
    return kept.test(one) ? one : `%${code.toString(16).toUpperCase().padStart(2, '0')}`;
  }).join('');
const phpBytes = (bytes: Buffer) => quotedBytes(bytes, /[\w. -]/).replaceAll(' ', '+');

const IN_URLS: readonly ((bytes: Buffer) => string)[] = [
  (bytes) => quotedBytes(bytes),
  phpBytes,
  (bytes) => `id=9&notes=${quotedBytes(bytes)}`,
  (bytes) => `id=9&notes=${phpBytes(bytes)}&of=a+b`,
  (bytes) => `https://clinic.example/files/${quotedBytes(bytes, /[\w.~-]/)}/photo?size=7`,
  (bytes) => `https://clinic.example/open?t=${encodeURIComponent(quotedBytes(bytes))}`,
  (bytes) => JSON.stringify({ body: `notes=${quotedBytes(bytes)}`, of: 'José' }),
];

const spelled = fc
  .record({ bytes: fc.oneof(numbered, numbered, old), spelling: fc.constantFrom(...SPELLINGS) })
  .map(({ bytes, spelling }) => spelling(bytes));

const around = fc.oneof(
  fc.constant(''),
  fc.string({ maxLength: 20 }),
  fc.stringMatching(/^[A-Za-z0-9+/_-]{0,18}$/),
  fc.stringMatching(/^[0-9a-f]{0,18}$/),
);

const noise = fc.oneof(
  fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes).toString('base64')),
  fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes).toString('hex')),
  fc.constant('abcdefghij'.repeat(30)),
  fc.lorem({ maxCount: 20 }),
);

const text = fc
  .array(fc.tuple(around, fc.oneof(spelled, spelled, noise), around), { maxLength: 14 })
  .map((parts) => parts.map((part) => part.join('')).join(' '));

/** What is in a ciphertext that is in a text, and bytes that are no text. */
const plaintext = fc.oneof(
  text.map((one) => Buffer.from(one)),
  fc.tuple(text, number).map(([one, key]) => Buffer.from(sealed(Buffer.from(one), key, CONTEXT).toString('base64'))),
  spelled.map((one) => Buffer.from(one)),
  numbered,
  // Another encoding, a binary header, and a text that was cut within a character.
  text.map((one) => Buffer.from(`José ${one}`, 'latin1')),
  fc.tuple(fc.uint8Array({ maxLength: 4 }), text).map(([header, one]) => Buffer.concat([header, Buffer.from(one)])),
  text.map((one) => Buffer.from(`${one} é`).subarray(0, -1)),
);

it('finds the keys that every attempt at every place finds', () => {
  let found = 0;
  fc.assert(
    fc.property(plaintext, (bytes) => {
      const expected = everyAttempt(bytes, [CONTEXT], keys);
      found += expected.size;
      expect([...nestedKeys(bytes, [CONTEXT], keys)].sort()).toEqual([...expected].sort());
    }),
    { numRuns: RUNS, seed: SEED },
  );
  expect(found).toBeGreaterThan(RUNS / 2);
});

it.each(SPELLINGS)('finds a ciphertext of any length that is written as %s', (write) => {
  for (let length = 0; length < 130; length += STEP) {
    const written = write(sealed(randomBytes(length), 1, CONTEXT));
    expect([...nestedKeys(Buffer.from(written), [CONTEXT], keys)]).toEqual([1]);
  }
});

it.each(AMONG_ALIKE)('finds a ciphertext of any length among letters that look like its own: %s', (write) => {
  for (let length = 0; length < 200; length += 9) {
    const written = write(sealed(randomBytes(length), 1, CONTEXT));
    expect([...nestedKeys(Buffer.from(written), [CONTEXT], keys)]).toEqual([1]);
  }
});

it.each(WITH_ESCAPES)('finds a ciphertext of any length whose bytes are escaped as %s', (write) => {
  for (let length = 0; length < 130; length += 7) {
    const written = write(sealed(randomBytes(length), 1, CONTEXT));
    expect([...nestedKeys(Buffer.from(written), [CONTEXT], keys)]).toEqual([1]);
  }
});

it.each([...IN_TURN, ...LANGUAGES, ...IN_URLS])('finds escaped bytes of any value that are written as %s', (write) => {
  for (let length = 0; length < 130; length += 2 * STEP) {
    const written = write(sealed(randomBytes(length), 1, CONTEXT));
    expect([...nestedKeys(Buffer.from(written), [CONTEXT], keys)]).toEqual([1]);
  }
});

const percents = (base64: string) => base64.replace(/./g, (one) => `%${one.charCodeAt(0).toString(16)}`);

it.each([
  ['in LATIN1', (base64: string) => Buffer.from(`José ${base64}`, 'latin1')],
  [
    'behind a binary header',
    (base64: string) => Buffer.concat([Buffer.of(0x81, 0xa5, 0xd9, 0xff), Buffer.from(base64)]),
  ],
  ['cut within a character', (base64: string) => Buffer.from(`{"t":"${base64}","p":"é`).subarray(0, -1)],
  ['of several values of JSON', (base64: string) => Buffer.from(`{"a":1}\n{"t":"${slashed(base64)}"}\n`)],
  ['of JSON that was cut', (base64: string) => Buffer.from(`{"t":"${slashed(base64)}","p":"x`)],
  ['of JSON behind a word', (base64: string) => Buffer.from(`INFO {"t":"${slashed(base64)}"}`)],
  ['of JSON in JSON beside an escape', (base64: string) => Buffer.from(`{"t":"\\\\","u":"?t=${percents(base64)}"}`)],
  ['of JSON with a member twice', (base64: string) => Buffer.from(`{"t":"${slashed(base64)}","t":"x"}`)],
])('finds a ciphertext in a text %s', (_, write) => {
  const base64 = sealed(Buffer.from('inner'), 1, CONTEXT).toString('base64');
  expect([...nestedKeys(write(base64), [CONTEXT], keys)]).toEqual([1]);
});

it('checks tags as node:crypto does: of any length, number and context, and of changed bytes', () => {
  const changed = fc.option(fc.nat(), { nil: undefined });
  const contexts = fc.array(fc.string({ unit: 'grapheme', maxLength: 40 }), { minLength: 1, maxLength: 3 });
  const value = fc.record({ bytes: fc.oneof(numbered, old, fc.uint8Array({ maxLength: 90 })), changed });
  fc.assert(
    fc.property(fc.array(value, { maxLength: 8 }), contexts, fc.nat(), (values, names, header) => {
      const own = sealed(Buffer.from('own'), 2, names[0] ?? '', header % 2_000_000);
      const rows = [...values, { bytes: own, changed: undefined }].map(({ bytes, changed: at }) => {
        const copy = Buffer.from(bytes);
        if (at !== undefined && copy.length > 0)
          copy.writeUInt8(copy.readUInt8(at % copy.length) ^ 1, at % copy.length);
        return { bytes: copy, number: readVarint(copy), contexts: [CONTEXT, ...names] };
      });
      const opened = rows.filter((row) => row.bytes.length >= 28 && openWithAnyKey(row, keys) !== undefined);
      expect(new Set(openable(rows, keys))).toEqual(new Set(opened));
    }),
    { numRuns: RUNS, seed: SEED },
  );
});

it('tries no key on runs that are not random, nor on those whose tag is no key’s', () => {
  const made = jest.spyOn(KeyMaterial.prototype, 'keyObject', 'get');
  const texts = ['x'.repeat(1_000_000), 'abcdefghij'.repeat(100), randomBytes(32).toString('hex'), '-'.repeat(80)];
  for (const one of texts) expect(nestedKeys(Buffer.from(one), [CONTEXT], keys).size).toBe(0);
  // At most once for each key and text, to encrypt the counters of a batch.
  expect(made.mock.calls.length).toBeLessThan(12);
  made.mockRestore();
});

/** Lines of lengths that no encoder writes, each of which is tried with its neighbours. */
const unevenLines = () =>
  Array.from({ length: 40 }, (_, at) =>
    randomBytes(30)
      .toString('base64')
      .slice(0, 17 + ((at * 7) % 23)),
  ).join('\n');

it.each([
  ['percent signs', `%${'25'.repeat(24)}41`],
  ['backslashes', `\\${'u005c'.repeat(24)}n`],
])('a level of %s tries the lines again only near what it has changed', (_, escape) => {
  const tries = (text: string) => {
    const tried = jest.spyOn(ShortGcm.prototype, 'matching');
    nestedKeys(Buffer.from(text), [CONTEXT], keys);
    const count = tried.mock.calls.reduce((sum, [sealedOnes]) => sum + sealedOnes.length, 0);
    tried.mockRestore();
    return count;
  };
  const lines = unevenLines();
  expect(tries(`${escape}\n\n${lines}`)).toBeLessThan(2 * tries(lines));
  expect(tries(`${escape}\n${lines}`)).toBeLessThan(10 * tries(lines));
});

it('finds lines whose ends are escaped beside lines that are not', () => {
  const box = linesOf(sealed(randomBytes(300), 1, CONTEXT), 64);
  for (const written of [box.replace('\n', ' %0A'), box.replace('\n', '%20\n'), box.replaceAll('\n', '%250A')]) {
    expect([...nestedKeys(Buffer.from(`${unevenLines()}\n\n${written}`), [CONTEXT], keys)]).toEqual([1]);
  }
});

it('is not misled by a run that is random behind a prefix of few letters', () => {
  const box = sealed(Buffer.alloc(3000), 1, '').toString('base64');
  expect([...nestedKeys(Buffer.from(`${'x'.repeat(16)}${box}`), [], keys)]).toEqual([1]);
});

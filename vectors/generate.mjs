// Writes the test vectors beside it: node vectors/generate.mjs. The output is the same every time; --check fails where
// what stands there is another.
//
// It is written from docs/format.md and uses node:crypto alone, so that a mistake in the product's code cannot slip
// into its own vectors. What a vector must give is stated here and not computed by a reader.
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { format, resolveConfig } from 'prettier';
import { header, KEYS, NUMBERS } from './forms.mjs';
import { jsonCells } from './json-cells.mjs';
import { rows } from './row-list.mjs';
import './rows-of-today.mjs';
import './rows-of-old.mjs';
import { columnContexts } from './column-contexts.mjs';
import { environments } from './environments.mjs';
import { settings } from './settings.mjs';
import { ringKeys, rings } from './rings.mjs';
import { keyValues } from './values.mjs';

// --- Texts that no writer takes

const refusedTexts = [
  { id: 'a high surrogate at the end', text: 'a\uD83D', context: '' },
  { id: 'a low surrogate in front', text: '\uDE00a', context: '' },
  { id: 'a pair the wrong way round', text: '\uDE00\uD83D', context: '' },
  { id: 'a context with half of a pair', text: 'a', context: 'patients:\uD83D' },
].map((vector) => ({ ...vector, error: 'INVALID_TEXT' }));

// --- Numbers by themselves

const numbers = {
  valid: [0, ...NUMBERS].map((number) => ({ number, header: header(number).toString('hex') })),
  invalid: [
    '',
    '80',
    'ff',
    '8000',
    '8100',
    'ff00',
    '808100',
    '8580808000',
    '8094ebdc03',
    'ffffffff0f',
    'ffffffff7f',
    '818080808001',
    'ffffffffffffffffffff',
  ],
  refusedByWriters: [-1, 1_000_000_000, 4294967296],
};

const labels = [
  ['key-v1', 1],
  ['key-v10', 10],
  ['key-v999999999', 999999999],
  ...[
    'key-v0',
    'key-v01',
    'key-v1000000000',
    'key-v',
    'key-v-1',
    'key-v1 ',
    ' key-v1',
    'key-v1\n',
    'Key-v1',
    'key-V1',
  ].map((label) => [label, null]),
  ...['key-v1.0', 'key-v\u0661', 'key-v1a', 'xkey-v1', 'key_v1', 'AWSCURRENT', 'key-incoming', ''].map((label) => [
    label,
    null,
  ]),
].map(([label, number]) => ({ label, number }));

// --- Strict base64

const strictBase64 = [
  ...['', '00', '0000', '000000', 'ffffff', 'fbefbe', 'fffefd', KEYS.guide.toString('hex')].map((hex) => ({
    text: Buffer.from(hex, 'hex').toString('base64'),
    bytes: hex,
  })),
  ...[
    ...['A', 'AA', 'AAA', 'AA=', 'A===', 'AA==AA==', 'AAAA=', 'AAAA==', '====', '=AAA', 'A=AA', 'AA=A'],
    ...[
      'AB==',
      'AAB=',
      'Zh==',
      'Zm9=',
      '-_-_',
      'AA-A',
      'AA_A',
      'AA AA',
      'AAAA\n',
      '\nAAAA',
      'AAAA ',
      'AA\r\nAA',
      'AAAA\0',
    ],
    ...[
      'AA.A',
      'AA,A',
      'AA*A',
      'AAA\u00C4',
      'AAA\uFF21',
      '\uFEFFAAAA',
      'AAA\uD83D',
      'AAAA\u0000',
      'QUJD\u0085',
      'QUJD=QUJD',
    ],
  ].map((text) => ({ text, bytes: null })),
].filter(({ text }, index, all) => all.findIndex((other) => other.text === text) === index);

// --- Cells of text columns that have several lines

const lines = (width, end, rest = '') =>
  KEYS.guide.toString('base64').replaceAll(new RegExp(`(.{${width}})(?=.)`, 'g'), `$1${end}`) + rest;
const asBytes = (text) => Buffer.from(text).toString('hex');
const textCells = [
  ...[lines(38, '\n'), lines(38, '\n', '\n'), lines(38, '\r\n'), lines(38, '\r\n', '\r\n'), lines(4, '\n')].map(
    (text) => ({
      text,
      row: KEYS.guide.toString('hex'),
    }),
  ),
  ...[
    lines(99, '', '\n'),
    lines(38, '\n\n'),
    lines(38, '\r'),
    lines(38, '\n '),
    lines(38, '\n', '\n\n'),
    lines(38, '\n', '\r\n'),
    `\n${lines(38, '\n')}`,
    lines(38, '\n').replace('=', ''),
    'YQ==\nYQ==',
    'not\nbase64!',
  ].map((text) => ({ text, row: asBytes(text) })),
];

// --- The files

const isCheck = process.argv.includes('--check');

async function file(name, about, content) {
  const path = fileURLToPath(new URL(name, import.meta.url));
  const options = { ...(await resolveConfig(path)), filepath: path };
  const text = await format(JSON.stringify({ about, ...content }), options);
  if (!isCheck) writeFileSync(path, text);
  else if (readFileSync(path, 'utf8') !== text) throw new Error(`${name} is not what node vectors/generate.mjs writes`);
}

const keys = Object.fromEntries(Object.entries(KEYS).map(([name, key]) => [name, key.toString('hex')]));
await file(
  'rows.json',
  'Rows, each read with the named key in hand and the context. A row gives text; or bytes that are no UTF-8; or an error. legacy false: the reader refuses data written before this system. writes: a writer given that number and nonce writes exactly this row. Bytes are hexadecimal.',
  { keys, rows, refusedTexts },
);
await file(
  'numbers.json',
  'Key numbers as they stand in front of a row, and in staging labels (null: a foreign label).',
  {
    numbers,
    labels,
  },
);
await file(
  'base64.json',
  'Strict base64: the bytes in hexadecimal, or null where a strict decoder refuses. textCells: cells of a text column that have several lines, and the row in hexadecimal: decoded, or the text itself.',
  { strictBase64, textCells },
);
await file(
  'json-cells.json',
  'Cells of json and jsonb columns as JSON texts, with the member that is asked for (none: the default), and the row in hexadecimal or the error.',
  { jsonCells },
);
await file(
  'key-values.json',
  'Values of a secret: SecretString or SecretBinary (hexadecimal), and the key (hexadecimal) or the error.',
  { keyValues },
);
await file(
  'column-contexts.json',
  'Contexts of encrypted columns: with the columns of a row, the context of that row; or the error of making the column.',
  { columnContexts },
);
await file(
  'settings.json',
  'Environment variables of an application, and the settings that they make (key: hexadecimal), or the error and the variable that its message names first.',
  { settings },
);
await file(
  'environments.json',
  'Environment variables of an application: where its keys come from, the keys of the environment by number (hexadecimal) and the number that a ring writes which has had no key from AWS (null: it does not open); or the error, the variable that its message names first, and words of the message.',
  { environments },
);
await file(
  'rings.json',
  'Rings: the versions of a secret with their labels and values, the number and key under which the ring writes, and rows, each read through a ring that was just opened. See docs/format.md.',
  { keys: ringKeys, rings },
);
console.log(
  `${rows.length + refusedTexts.length} rows, ${strictBase64.length} texts of base64, ${keyValues.length} values of secrets`,
);

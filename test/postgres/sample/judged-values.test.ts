import { randomBytes } from 'node:crypto';
import { RingKeys } from '../../../src/postgres/all-keys.ts';
import { foundIn, type JudgedColumn } from '../../../src/postgres/sample/judge-values.ts';
import { RingWorld, SECRET } from '../../keyring/support/ring-world.ts';

/** Texts of which a second is needed for each megabyte: runs of base64, as a column of signed URLs has them. */
const values = Array.from({ length: 20 }, () => ({
  text: Array.from({ length: 100 }, () => randomBytes(30).toString('base64').slice(0, 39)).join('.'),
  contexts: [''],
}));
const COLUMN: JudgedColumn = {
  table: 'public.t',
  tableId: '1',
  column: 'url',
  columnNumber: 1,
  storage: 'text',
  kind: 'text',
  isMaterialized: false,
  isGenerated: false,
};

async function ringKeys() {
  const world = await RingWorld.withKeys(2);
  return RingKeys.open(world.source(), SECRET, world.clock);
}

const longOne = {
  text: Array.from({ length: 5 }, () => values.map(({ text }) => text).join('.')).join('.'),
  contexts: [''],
};

it.each([
  ['between the values of a column', values, values.length],
  ['within a long value', [longOne], 4],
])('other work happens %s', async (_, some, least) => {
  let turns = 0;
  let isDone = false;
  const turn = () => {
    turns += 1;
    if (!isDone) setImmediate(turn);
  };
  const keys = await ringKeys();
  // However fast the machine is: each look at the clock is a while after the one before.
  let milliseconds = 0;
  const clock = jest.spyOn(performance, 'now').mockImplementation(() => (milliseconds += 5));
  setImmediate(turn);
  expect((await foundIn(COLUMN, some, keys, Infinity)).cutShort).toBeUndefined();
  isDone = true;
  clock.mockRestore();
  expect(turns).toBeGreaterThanOrEqual(least);
});

const random = Array.from({ length: 30 }, () => randomBytes(60));
const counts = random.map((bytes) => Buffer.from(bytes.map((byte, at) => (at === 0 ? 1 : byte < 200 ? 0 : byte))));

it.each<[string, (bytes: Buffer) => string, readonly Buffer[], boolean]>([
  ['Buffers in JSON under key 1', (bytes) => JSON.stringify({ v: bytes }), random.map(underKey1), true],
  ['Uint8Arrays in JSON under key 1', (bytes) => JSON.stringify(new Uint8Array(bytes)), random.map(underKey1), true],
  [
    'percent-encoded base64 under key 1',
    (bytes) => percentEncoded(bytes.toString('base64')),
    random.map(underKey1),
    true,
  ],
  ['bytes that PostgreSQL escaped under key 1', escapedForm, random.map(underKey1), true],
  ['such bytes in JSON', (bytes) => JSON.stringify({ id: 1, v: escapedForm(bytes) }), random.map(underKey1), true],
  ['such bytes in a row', inRow, random.map(underKey1), true],
  [
    'JSON with such bytes in a row',
    (bytes) => rowOf(JSON.stringify({ v: escapedForm(bytes) })),
    random.map(underKey1),
    true,
  ],
  ['percent-encoded bytes', (bytes) => `id=9&notes=${quotedBytes(bytes)}&of=x`, random.map(underKey1), true],
  ['percent-encoded random bytes', (bytes) => `id=9&notes=${quotedBytes(bytes)}&of=x`, random, false],
  ['such a row in JSON', (bytes) => JSON.stringify({ was: inRow(bytes) }), random.map(underKey1), true],
  ['random bytes that PostgreSQL escaped', escapedForm, random, false],
  ['random bytes in a row', inRow, random, false],
  ['random Buffers in JSON', (bytes) => JSON.stringify({ v: bytes }), random, false],
  ['counts in JSON', (bytes) => JSON.stringify([...bytes]), counts, false],
])('in contexts that are not known: %s', async (_, spell, sealed, isFound) => {
  const all = sealed.map((bytes) => ({ text: spell(bytes), contexts: [''] }));
  const { columns } = await foundIn(COLUMN, all, await ringKeys());
  expect(columns.map(({ uncountable }) => uncountable)).toEqual(isFound ? ['inside its values'] : []);
});

function underKey1(bytes: Buffer): Buffer {
  return Buffer.concat([Buffer.of(1), bytes]);
}

/** `bytea_output = escape` of PostgreSQL. */
function escapedForm(bytes: Buffer): string {
  return bytes
    .toString('latin1')
    .replaceAll('\\', '\\\\')
    .replaceAll(/[^ -~]/g, (one) => `\\${one.charCodeAt(0).toString(8).padStart(3, '0')}`);
}

function inRow(bytes: Buffer): string {
  return rowOf(escapedForm(bytes));
}

function rowOf(text: string): string {
  return `(1,"${text.replaceAll('\\', '\\\\').replaceAll('"', '""')}")`;
}

/** As `urllib.parse.quote` of bytes. */
function quotedBytes(bytes: Buffer): string {
  return bytes
    .toString('latin1')
    .replaceAll(/[^\w.~/-]/g, (one) => `%${one.charCodeAt(0).toString(16).padStart(2, '0')}`);
}

function percentEncoded(text: string): string {
  return text.replaceAll(/./g, (character) => `%${character.charCodeAt(0).toString(16)}`);
}

const texts = Array.from({ length: 40 }, (_, at) => ({ id: at, name: 'another table', city: 'Here' }));
const asText = (value: unknown) =>
  value instanceof Uint8Array ? Buffer.from(value).toString('base64') : JSON.stringify(value);

it.each<[string, JudgedColumn['storage'], (value: unknown) => string]>([
  [
    'jsonb',
    'jsonb',
    (value) => JSON.stringify(value instanceof Uint8Array ? { id: 1, notes: inHexadecimal(value) } : value),
  ],
  ['members of jsonb', 'jsonb', (value) => JSON.stringify({ notes: asText(value) })],
  ['text', 'text', asText],
  [
    'bytea',
    'bytea',
    (value) => inHexadecimal(value instanceof Uint8Array ? value : Buffer.from(JSON.stringify(value))),
  ],
])('ciphertexts among many more texts are found in %s, and one random value is not', async (_, storage, spell) => {
  const keys = await ringKeys();
  const isFound = async (held: readonly Buffer[]) => {
    const all = [...texts, ...held].map((value) => ({ text: spell(value), contexts: [''] }));
    return (await foundIn({ ...COLUMN, storage }, all, keys)).columns.length > 0;
  };
  for (const n of [1, 2, 5, 19]) expect(await isFound(random.slice(0, n).map(underKey1))).toBe(true);
  expect(await isFound([Buffer.concat([Buffer.of(200), randomBytes(60)])])).toBe(false);
});

it('names that look like base64 are words, whatever they begin with', async () => {
  const names = ['AccountSettingsControllerImplementation', 'AWS_SECRETS_MANAGER_ROTATION_LAMBDA_FUNCTION_NAME'];
  for (const storage of ['text', 'jsonb'] as const) {
    const all = names.map((text) => ({ text: storage === 'text' ? text : JSON.stringify({ text }), contexts: [''] }));
    expect((await foundIn({ ...COLUMN, storage }, all, await ringKeys())).columns).toEqual([]);
  }
});

function inHexadecimal(bytes: Uint8Array): string {
  return `\\x${Buffer.from(bytes).toString('hex')}`;
}

it('a column that takes too long is cut short and named', async () => {
  const { cutShort } = await foundIn(COLUMN, values, await ringKeys(), 0);
  expect(cutShort).toMatch(/^only \d+ of 20 sampled values of url could be judged/);
});

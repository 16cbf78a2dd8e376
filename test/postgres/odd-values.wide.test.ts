import { encryptField } from '../../src/format/field.ts';
import { toKeyNumber } from '../../src/format/key-number.ts';
import { RingKeys } from '../../src/postgres/all-keys.ts';
import type { Column } from '../../src/postgres/catalog/column.ts';
import { planRows } from '../../src/postgres/job/plan-rows.ts';
import type { StoredRow } from '../../src/postgres/row-reader.ts';
import { besides, type Storage } from '../../src/postgres/stored-value.ts';
import { Tally } from '../../src/postgres/tally.ts';
import { RingWorld, SECRET } from '../keyring/support/ring-world.ts';

/* Values that no application writes, and anyone may who can write a row: each is counted or listed, and none ends a job. */

const CONTEXT = 'patients:7:notes';

let world: RingWorld;
let keys: RingKeys;
beforeAll(async () => {
  world = await RingWorld.withKeys(2);
  keys = await RingKeys.open(world.source(), SECRET, world.clock);
});

const base64 = () => encryptField('note', world.keyOf(1), CONTEXT, { number: toKeyNumber(1) }).toString('base64');
const deep = (levels: number) => `${'['.repeat(levels)}1${']'.repeat(levels)}`;

/** JSON in strings of JSON, of which each level adds five characters to a quote. */
function escapedTimes(text: string, levels: number): string {
  const quotes = Array.from({ length: levels }, (_, n) => (n === 0 ? '"' : `\\${'u005c'.repeat(n - 1)}u0022`));
  return `${quotes.join('')}${text}${quotes.reverse().join('')}`;
}

const counted = (storage: Storage, stored: string | Uint8Array) => {
  const column: Pick<Column, 'spec' | 'storage'> = { spec: { table: 'patients', column: 'notes' }, storage };
  const row: StoredRow = { key: ['7'], stored, context: CONTEXT, contexts: [CONTEXT], watched: [] };
  const tally = new Tally(column, keys);
  tally.add(row);
  return { counts: tally.counts, sum: tally.sum, plan: planRows(column, [row], keys, keys.requireTarget()) };
};

it.each<[string, Storage, () => string | Uint8Array]>([
  ['deep JSON', 'bytea', () => Buffer.from(`{"a":${deep(50_000)}}`)],
  ['deep JSON', 'text', () => `{"a":${deep(50_000)}}`],
  ['deep JSON', 'jsonb', () => `{"a": ${deep(6000)}}`],
  ['short lines', 'text', () => `${'A'.repeat(15)}${'\nA'.repeat(3_500_000)}`],
  ['white space', 'text', () => `${' '.repeat(5_000_000)}{`],
  ['JSON in JSON, 300 deep', 'jsonb', () => escapedTimes(base64(), 300)],
])('%s in %s is listed as unreadable', (_, storage, value) => {
  const { counts, sum, plan } = counted(storage, value());
  expect(counts).toMatchObject({ rows: 1, unreadable: 1, listed: [{ key: ['7'] }] });
  expect(sum).toBe(1);
  expect(plan).toMatchObject({ changes: [], left: [{ key: ['7'] }] });
});

it.each<[string, Storage, () => string, number]>([
  ['a deep member beside it', 'jsonb', () => `{"a": ${deep(6000)}, "data": "${base64()}"}`, 1],
  ['millions of escapes beside it', 'jsonb', () => JSON.stringify({ data: base64(), a: '\n'.repeat(3_500_000) }), 1],
  [
    'millions of escapes beside it, in a string',
    'jsonb',
    () => JSON.stringify(JSON.stringify({ data: base64(), a: '\n'.repeat(3_500_000) })),
    0,
  ],
])('a ciphertext with %s in %s is counted', (_, storage, value, changes) => {
  const { counts, plan } = counted(storage, value());
  expect(counts).toMatchObject({ rows: 1, numbered: new Map([[1, 1]]), unreadable: 0, toReencrypt: changes });
  expect(plan.changes).toHaveLength(changes);
  expect(plan.left.map(({ code }) => code)).toEqual(changes === 1 ? [] : ['OTHER_MEMBERS']);
});

it('a plaintext of one long run of base64 is counted', () => {
  const { counts } = counted(
    'bytea',
    encryptField('abcdefghij'.repeat(700_000), world.keyOf(1), CONTEXT, { number: toKeyNumber(1) }),
  );
  expect(counts).toMatchObject({ numbered: new Map([[1, 1]]), nested: new Map(), unreadable: 0 });
});

/** Escapes of two kinds in one another, as no application writes them. */
const entangled = `%${'5Cu0025'.repeat(80)}`;
const underKey1 = (text: string) => encryptField(text, world.keyOf(1), CONTEXT, { number: toKeyNumber(1) });

it('a row that opens is counted under its key, whatever is in its plaintext, and listed if that is too complex', () => {
  const { counts, sum } = counted('bytea', underKey1(`${entangled}41 beside ${base64()}`));
  expect(counts).toMatchObject({
    ...{ unreadable: 0, unsearched: 1, toReencrypt: 1, numbered: new Map([[1, 1]]), nested: new Map([[1, 1]]) },
    listed: [{ key: ['7'], code: 'VALUE_TOO_COMPLEX' }],
  });
  expect(sum).toBe(1);
});

it('a ciphertext beside what is too complex is seen', () => {
  const value = JSON.stringify({ data: base64(), other: `${entangled}41`, more: base64() });
  const { counts } = counted('jsonb', value);
  expect(counts).toMatchObject({ unreadable: 0, unsearched: 1, nested: new Map([[1, 1]]) });
});

it.each([
  ['percent signs', `%${'25'.repeat(400)}41 and more text of a note`],
  ['backslashes', `\\${'u005c'.repeat(400)}n and more text of a note`],
  ['JSON in JSON', escapedTimes('x', 40)],
])('escapes of %s that were escaped hundreds of times are looked through', (_, text) => {
  expect(counted('bytea', underKey1(text)).counts).toMatchObject({ unsearched: 0, listed: [] });
});

it('beside a ciphertext is all but it: every other member, and an earlier one of its name', () => {
  const rest = (text: string, storage: Storage = 'jsonb') => besides(text, storage, [undefined]);
  expect(rest('{"a": 1, "data": "x", "b": {"data": "x"}}')).toBe('{"a": 1, "data": "", "b": {"data": "x"}}');
  expect(rest('{"data":"other","data":"x"}', 'text')).toBe('{"data":"other","data":""}');
  expect(rest(String.raw`{"data":"\u0078","data":"x"}`, 'text')).toBe('{"data":"","data":""}');
  expect(rest('{"data": 7}')).toBe('{"data": 7}');
  expect(rest('"x"')).toBe('');
});

import { decryptField, encryptField } from '../../../src/format/field.ts';
import { toKeyNumber } from '../../../src/format/key-number.ts';
import { USAGE_LIMITS } from '../../../src/keyring/telemetry/key-usage.ts';
import { RingKeys } from '../../../src/postgres/all-keys.ts';
import type { Column } from '../../../src/postgres/catalog/column.ts';
import { isAsWanted, planRows } from '../../../src/postgres/job/plan-rows.ts';
import type { StoredRow } from '../../../src/postgres/row-reader.ts';
import { oldBox } from '../../format/support/old-application.ts';
import { RingWorld, SECRET } from '../../keyring/support/ring-world.ts';

/* Which rows re-encryption changes, without a database. */

type Planned = Pick<Column, 'spec' | 'storage'>;

const COLUMN: Planned = { spec: { table: 'patients', column: 'notes' }, storage: 'bytea' };

let world: RingWorld;
let keys: RingKeys;
beforeAll(async () => {
  world = await RingWorld.withKeys(2);
  keys = await RingKeys.open(world.source(), SECRET, world.clock);
});

const contextOf = (id: number) => `patients:${id}:notes`;
const hex = (bytes: Uint8Array) => `\\x${Buffer.from(bytes).toString('hex')}`;

function encrypted(id: number, number: number, context = contextOf(id)): Buffer {
  return encryptField(`note ${id}`, world.keyOf(number), context, { number: toKeyNumber(number) });
}

const sealed = (...args: Parameters<typeof encrypted>) => hex(encrypted(...args));

function row(id: number, stored: string | null, more: Partial<StoredRow> = {}): StoredRow {
  return { key: [`${id}`], stored, context: contextOf(id), contexts: [contextOf(id)], watched: [`${id}`], ...more };
}

const plan = (rows: readonly StoredRow[], column: Planned = COLUMN) =>
  planRows(column, rows, keys, keys.requireTarget());

test('each encryption is counted, and past 2^32 with one key the job stops', async () => {
  const counted = await RingKeys.open(world.source(), SECRET, world.clock);
  const target = counted.requireTarget();
  const rows = [row(1, sealed(1, 1)), row(2, sealed(2, 2)), row(3, sealed(3, 1)), row(4, null)];
  planRows(COLUMN, rows, counted, target);
  expect(counted.usage()).toMatchObject([{ keyNumber: 2, encryptions: 2 }]);

  const { last } = USAGE_LIMITS;
  USAGE_LIMITS.last = 3;
  try {
    planRows(COLUMN, [row(5, sealed(5, 1))], counted, target);
    expect(() => planRows(COLUMN, [row(6, sealed(6, 1))], counted, target)).toThrow(
      expect.objectContaining({ code: 'KEY_EXHAUSTED' }) as Error,
    );
  } finally {
    USAGE_LIMITS.last = last;
  }
});

test('a row under an older key is encrypted under the current one, and keeps what a change is recognised by', () => {
  const stored = sealed(7, 1);
  const { changes, ...rest } = plan([row(7, stored)]);
  expect(rest).toEqual({ sources: new Set([1]), alreadyCurrent: 0, nulls: 0, empty: 0, left: [] });
  expect(changes).toMatchObject([{ key: ['7'], stored, watched: ['7'] }]);
  const value = changes[0]?.sealed ?? new Uint8Array();
  expect(value[0]).toBe(2);
  expect(decryptField(value, world.keyOf(2), contextOf(7))).toBe('note 7');
});

test('a row is encrypted in the context that it is moved to', () => {
  const moved = row(7, sealed(7, 2, 'old:7'), { contexts: ['old:7', contextOf(7)] });
  const { changes, alreadyCurrent } = plan([moved]);
  expect(alreadyCurrent).toBe(0);
  expect(decryptField(changes[0]?.sealed ?? new Uint8Array(), world.keyOf(2), contextOf(7))).toBe('note 7');
});

test('a row from before this system gets a number and a context', () => {
  const old = row(7, hex(oldBox('note 7', { key: world.keyOf(1) })));
  const { changes } = plan([old]);
  expect(decryptField(changes[0]?.sealed ?? new Uint8Array(), world.keyOf(2), contextOf(7), { legacy: false })).toBe(
    'note 7',
  );
});

test.each([
  ['text', (bytes: Buffer) => bytes.toString('base64')],
  ['jsonb', (bytes: Buffer) => `"${bytes.toString('base64')}"`],
] as const)('a %s column gets its new value in the spelling that it has', (storage, spelled) => {
  const stored = spelled(encrypted(7, 1));
  const { changes } = plan([row(7, stored)], { ...COLUMN, storage });
  const written = Buffer.from(changes[0]?.sealed ?? []).toString();
  const bytes = Buffer.from(written.replaceAll('"', ''), 'base64');
  expect(written).toBe(spelled(bytes));
  expect(decryptField(bytes, world.keyOf(2), contextOf(7))).toBe('note 7');
});

test('rows that need nothing are counted, each under its name, and none is changed', () => {
  const rows = [row(1, sealed(1, 2)), row(2, null), row(3, null), row(4, '\\x'), row(5, '\\x'), row(6, '\\x')];
  expect(plan(rows)).toEqual({ changes: [], sources: new Set(), alreadyCurrent: 1, nulls: 2, empty: 3, left: [] });
});

test('rows that cannot be done are listed with their key and the reason', () => {
  const rows = [
    row(1, sealed(2, 2)),
    row(2, '\\x0102'),
    row(3, sealed(3, 1), { context: undefined }),
    row(4, sealed(4, 1)),
    row(5, sealed(5, 1), { context: undefined, contexts: [] }),
  ];
  const { changes, left } = plan(rows);
  expect(left).toEqual([
    { key: ['1'], code: 'TAMPERED_OR_WRONG_CONTEXT' },
    { key: ['2'], code: 'INVALID_CIPHERTEXT' },
    { key: ['3'], code: 'CONTEXT_COLUMN_IS_NULL' },
    { key: ['5'], code: 'CONTEXT_COLUMN_IS_NULL' },
  ]);
  expect(changes.map(({ key }) => key)).toEqual([['4']]);
});

test('a row from before this system is listed where those are not to be brought along', () => {
  const old = row(7, hex(oldBox('note 7', { key: world.keyOf(1) })));
  const { changes, left } = planRows(COLUMN, [old, row(8, sealed(8, 1))], keys, keys.requireTarget(), false);
  expect(left).toEqual([{ key: ['7'], code: 'LEGACY_ROW' }]);
  expect(changes.map(({ key }) => key)).toEqual([['8']]);
});

test('a value that was too large to be read is listed', () => {
  expect(plan([{ ...row(7, null), stored: undefined }])).toEqual({
    changes: [],
    sources: new Set(),
    alreadyCurrent: 0,
    nulls: 0,
    empty: 0,
    left: [{ key: ['7'], code: 'VALUE_TOO_LARGE' }],
  });
});

test('only a row that says the current number, in a known context, is as wanted', () => {
  const target = keys.requireTarget();
  const plaintext = Buffer.from('note 7');
  const numbered = { kind: 'numbered', number: target.number, context: 'a', plaintext } as const;
  expect(isAsWanted(numbered, target, 'a')).toBe(true);
  expect(isAsWanted(numbered, target, 'b')).toBe(false);
  expect(isAsWanted(numbered, target, undefined)).toBe(false);
  for (const kind of ['legacy', 'unnumbered'] as const) {
    expect(isAsWanted({ kind, number: target.number, plaintext }, target, undefined)).toBe(false);
  }
});

test('a row under the current number is not done where the number is right and the context is not', () => {
  const { changes, alreadyCurrent } = plan([row(7, sealed(7, 2, 'old:7'), { contexts: ['old:7'] })]);
  expect([changes.length, alreadyCurrent]).toEqual([1, 0]);
});

import { censusLines } from '../../../src/cli/rows/census-screen.ts';

type Count = Parameters<typeof censusLines>[0];

const EMPTY: Count = {
  table: 'patients',
  relation: 'public.patients',
  tableId: '16384',
  owner: 'app',
  column: 'notes',
  columnNumber: 2,
  rows: 0,
  nulls: 0,
  empty: 0,
  numbered: {},
  unnumbered: {},
  legacy: {},
  nested: {},
  unreadable: 0,
  unsearched: 0,
  listed: [],
  toReencrypt: 0,
  unseen: [],
  triggers: [],
  spelled: [],
  besides: [],
};

test('rows beyond the screen are counted by reason', () => {
  const listed = Array.from({ length: 30 }, (_, index) => ({
    ...{ key: [String(index)], code: index < 25 ? 'TAMPERED_OR_WRONG_CONTEXT' : 'KEY_RETIRED' },
  })) as Count['listed'];
  const lines = censusLines({ ...EMPTY, rows: 30, unreadable: 30, listed }, 5);
  expect(lines.slice(-2)).toEqual([
    '    and 10 more (--json lists up to 10,000)',
    '    By reason: 25 TAMPERED_OR_WRONG_CONTEXT, 5 KEY_RETIRED',
  ]);
});

test('a row under number 1 that key 5 opens is not shown as one of number 0 alone', () => {
  expect(censusLines({ ...EMPTY, rows: 1, unnumbered: { 5: 1 } }, 5)).toContain(
    '  number 0 or a number of another key, opened by key 5  1',
  );
});

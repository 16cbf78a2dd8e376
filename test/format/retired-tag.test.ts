import { toKeyNumber } from '../../src/format/key-number.ts';
import { retiredTag, retirementRecords } from '../../src/format/retired-tag.ts';

const record = {
  number: toKeyNumber(7),
  versionId: 'f'.repeat(64),
  date: '2026-11-29T12:00:00.000Z',
  isForced: false,
};

test('a record names the columns that were counted, in the characters that AWS allows in a tag', () => {
  const { Value } = retiredTag(record, [{ relation: 'clinic."Pa, tients"', column: 'no=tes', owner: 'a@b', rows: 12 }]);
  expect(Value).toBe(`${record.versionId} ${record.date} clinic._Pa__tients_.no_tes@a_b=12`);
});

test('a record stays within the 256 characters of a tag, and says how much it does not name', () => {
  const counted = Array.from({ length: 40 }, (_, index) => ({
    relation: `clinic.table_${index}`,
    column: 'notes',
    owner: 'app',
    rows: 1000,
  }));
  const { Key, Value } = retiredTag(record, counted);
  expect(Value.length).toBeLessThanOrEqual(256);
  expect(Value).toMatch(/ clinic\.table_0\.notes@app=1000 .* \+35=35000$/);
  expect(retirementRecords([{ Key, Value }])).toEqual([record]);
});

test('a table named forced does not make a record a forced one', () => {
  const counted = [{ relation: 'forced', column: '', owner: '', rows: 1 }];
  expect(retirementRecords([retiredTag(record, counted)])).toMatchObject([{ isForced: false }]);
});

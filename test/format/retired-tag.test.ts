import { toKeyNumber } from '../../src/format/key-number.ts';
import {
  restoringTag,
  retiredKeys,
  retiredTag,
  retiredTagKey,
  retirementRecords,
} from '../../src/format/retired-tag.ts';

const RECORD = { number: toKeyNumber(7), versionId: 'a1b2', date: '2026-10-12T10:30:00.000Z', isForced: false };

test('a retired key is remembered in a tag of its number', () => {
  const tag = { Key: 'pazpaz:retired:key-v7', Value: 'a1b2 2026-10-12T10:30:00.000Z' };
  expect(retiredTagKey(RECORD.number)).toBe(tag.Key);
  expect(retiredTag(RECORD)).toEqual(tag);
  expect(retirementRecords([tag])).toEqual([RECORD]);
});

test('a key that was retired by force is remembered as such', () => {
  const tag = { Key: 'pazpaz:retired:key-v7', Value: 'a1b2 2026-10-12T10:30:00.000Z forced' };
  expect(retiredTag({ ...RECORD, isForced: true })).toEqual(tag);
  expect(retirementRecords([tag])).toEqual([{ ...RECORD, isForced: true }]);
});

test('a key that was retired unread is remembered as such', () => {
  const tag = { Key: 'pazpaz:retired:key-v7', Value: 'a1b2 2026-10-12T10:30:00.000Z unread' };
  expect(retiredTag({ ...RECORD, isUnread: true })).toEqual(tag);
  expect(retirementRecords([tag])).toEqual([{ ...RECORD, isUnread: true }]);
});

test('a key whose restore has begun is remembered as such', () => {
  const tag = { Key: 'pazpaz:retired:key-v7', Value: 'a1b2 2026-10-12T10:30:00.000Z restoring' };
  expect(restoringTag(RECORD)).toEqual(tag);
  expect(retirementRecords([tag])).toEqual([{ ...RECORD, isRestoring: true }]);
});

test('retired keys are found among other tags, by number', () => {
  const tags = [
    { Key: 'team', Value: 'payments' },
    { Key: 'pazpaz:retired:key-v12', Value: 'c3 2026-11-01' },
    { Key: 'pazpaz:retired:key-v2', Value: 'd4 2026-10-01 forced' },
  ];
  expect(retiredKeys(tags)).toEqual([
    { number: 2, versionId: 'd4', date: '2026-10-01' },
    { number: 12, versionId: 'c3', date: '2026-11-01' },
  ]);
});

test('a tag that a person wrote without a date is one of a retired key', () => {
  expect(retiredKeys([{ Key: 'pazpaz:retired:key-v7', Value: 'a1b2' }])).toEqual([
    { number: 7, versionId: 'a1b2', date: '' },
  ]);
});

test.each([
  ['no version', { Key: 'pazpaz:retired:key-v7', Value: '' }],
  ['no value', { Key: 'pazpaz:retired:key-v7' }],
  ['no name', { Value: 'a1b2 2026-10-12' }],
  ['another prefix', { Key: 'acme:retired:key-v7', Value: 'a1b2 2026-10-12' }],
  ['a prefix of the same length', { Key: 'pazpaz:renamed:key-v7', Value: 'a1b2 2026-10-12' }],
  ['no number', { Key: 'pazpaz:retired:key-v0', Value: 'a1b2 2026-10-12' }],
])('a tag with %s is none of a retired key', (_, tag) => {
  expect(retirementRecords([tag])).toEqual([]);
});

test('a secret without tags has no retired keys', () => {
  expect(retirementRecords(undefined)).toEqual([]);
  expect(retiredKeys([])).toEqual([]);
});

test('a record names the columns that were counted, in the characters that AWS allows in a tag', () => {
  const { Value } = retiredTag(RECORD, [{ relation: 'clinic."Pa, tients"', column: 'no=tes', owner: 'a@b', rows: 12 }]);
  expect(Value).toBe(`${RECORD.versionId} ${RECORD.date} clinic._Pa__tients_.no_tes@a_b=12`);
});

test('a record names a counted member after a colon', () => {
  const { Value } = retiredTag(RECORD, [
    { relation: 'clinic.docs', column: 'doc', member: 's@n', owner: 'a', rows: 1 },
  ]);
  expect(Value).toBe(`${RECORD.versionId} ${RECORD.date} clinic.docs.doc:s_n@a=1`);
});

test('a record stays within the 256 characters of a tag, and says how much it does not name', () => {
  const counted = Array.from({ length: 40 }, (_, index) => ({
    relation: `clinic.table_${index}`,
    column: 'notes',
    owner: 'app',
    rows: 1000,
  }));
  const record = { ...RECORD, versionId: 'f'.repeat(64) };
  const { Key, Value } = retiredTag(record, counted);
  expect(Value.length).toBeLessThanOrEqual(256);
  expect(Value).toMatch(/ clinic\.table_0\.notes@app=1000 .* \+35=35000$/);
  expect(retirementRecords([{ Key, Value }])).toEqual([record]);
});

test('a table named forced does not make a record a forced one', () => {
  const counted = [{ relation: 'forced', column: '', owner: '', rows: 1 }];
  expect(retirementRecords([retiredTag(RECORD, counted)])).toMatchObject([{ isForced: false }]);
});

test('a record names as many columns as a tag has room for, to the last character', () => {
  const short = { relation: 'a', column: 'b', owner: 'c', rows: 1 };
  const base = retiredTag(RECORD, [short]).Value.length;
  const long = { ...short, relation: 'a'.repeat(256 - base - ' .b@c=1'.length) };
  expect(retiredTag(RECORD, [short, long]).Value).toHaveLength(256);
  expect(retiredTag(RECORD, [short, long]).Value).toMatch(/=1 a+\.b@c=1$/);
  const tooLong = { ...long, relation: `${long.relation}a`, rows: 5 };
  expect(retiredTag(RECORD, [short, tooLong]).Value).toMatch(/ a\.b@c=1 \+1=5$/);
});

test('a record names the tables that no one looked at, or says how many they are', () => {
  const value = (skipped: readonly string[]) => retiredTag(RECORD, [], skipped).Value;
  expect(value(['other.trap', 'other."x y"'])).toMatch(/ skipped=other\.trap\+other\._x_y_$/);
  expect(value(Array.from({ length: 17 }, (_, at) => `other.table_${at}`))).toMatch(/ skipped=17$/);
});

test.each([
  [80, 'a'.repeat(80)],
  [81, '1'],
])('names of skipped tables that take %i characters are recorded as %s', (length, recorded) => {
  const record = { number: toKeyNumber(1), versionId: 'v', date: 'd', isForced: false };
  expect(retiredTag(record, [], ['a'.repeat(length)]).Value).toBe(`v d skipped=${recorded}`);
});

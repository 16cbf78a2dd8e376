import { toKeyNumber } from '../../src/format/key-number.ts';
import {
  foreignLabels,
  nextNumber,
  retirableNumbers,
  ringLabels,
  versionsInUse,
  withNumber,
} from '../../src/format/ring-labels.ts';
import { errorOf } from './support/error-of.ts';

const RING = ringLabels({
  c: ['AWSCURRENT', 'key-v12'],
  a: ['key-v2'],
  b: ['AWSPREVIOUS', 'key-v3', 'keep'],
  d: ['AWSPENDING'],
});

test('labels are read as a ring: numbers, the labels of AWS, and the free slots', () => {
  expect(RING).toMatchObject({ current: 'c', previous: 'b', pending: 'd', highestNumber: 12, freeSlots: 13 });
  expect([...RING.versionOf]).toEqual([
    [12, 'c'],
    [2, 'a'],
    [3, 'b'],
  ]);
  expect(RING.numberOf.get('d')).toBeUndefined();
});

test('a secret without a value is an empty ring', () => {
  expect(ringLabels()).toMatchObject({ current: undefined, previous: undefined, highestNumber: 0, freeSlots: 17 });
});

test.each([[['key-v3', 'key-v2', 'key-v4']], [['key-v4', 'key-v3', 'key-v2']], [['key-v2', 'key-v3']]])(
  'a version with several numbers (%p) has the lowest',
  (labels) => {
    expect(ringLabels({ a: labels }).numberOf.get('a')).toBe(2);
  },
);

test('the next key gets the number after the highest, until the numbers end', () => {
  expect(nextNumber(ringLabels())).toBe(1);
  expect(nextNumber(RING)).toBe(13);
  expect(errorOf(() => nextNumber(ringLabels({ a: ['key-v999999999'] }))).code).toBe('INVALID_KEY_NUMBER');
});

test('a number is attached beside the labels that a version has', () => {
  const ring = withNumber(RING, 'd', toKeyNumber(13));
  expect(ring).toMatchObject({ pending: 'd', highestNumber: 13, freeSlots: 12 });
  expect(ring.numberOf.get('d')).toBe(13);
  expect(RING.numberOf.get('d')).toBeUndefined();
});

test('a number is attached to a version that has no label', () => {
  expect(withNumber(RING, 'e', toKeyNumber(13)).stages['e']).toEqual(['key-v13']);
});

test('a key that may have encrypted is a numbered one, or the current or previous one', () => {
  expect(versionsInUse(RING)).toEqual(['a', 'b', 'c']);
  expect(versionsInUse(ringLabels({ x: ['AWSCURRENT'], y: ['AWSPREVIOUS'], z: ['key-v1'] }))).toEqual(['z', 'y', 'x']);
  expect(versionsInUse(ringLabels())).toStrictEqual([]);
});

test('a key can be retired that has no label of AWS, and whose version has not the highest number', () => {
  const ring = ringLabels({
    a: ['key-v10'],
    b: ['key-v2'],
    c: ['key-v3', 'AWSPREVIOUS'],
    d: ['key-v4', 'AWSCURRENT'],
    e: ['key-v5', 'AWSPENDING'],
    f: ['key-v6', 'key-v11'],
  });
  expect(retirableNumbers(ring)).toEqual([2, 10]);
  expect(retirableNumbers(ringLabels())).toEqual([]);
});

test('a foreign label is one that neither AWS nor the ring uses', () => {
  expect(foreignLabels({ a: ['key-v1', 'AWSCURRENT', 'mine'], b: ['key-incoming', 'key-v0'] })).toEqual([
    { label: 'mine', versionId: 'a' },
    { label: 'key-v0', versionId: 'b' },
  ]);
});

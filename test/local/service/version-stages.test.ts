import type { SecretVersion } from '../../../src/local/service/state.ts';
import {
  detachLabel,
  holderOf,
  labelNewValue,
  listedStages,
  moveLabel,
  settle,
  unfinishedVersion,
  type Versions,
} from '../../../src/local/service/version-stages.ts';

/** `{ a: 'AWSCURRENT x' }` as versions. */
function versions(labels: Readonly<Record<string, string>>): Versions {
  const entries = Object.entries(labels).map(([id, stages]): [string, SecretVersion] => [
    id,
    { stages: stages.split(' ').filter((stage) => stage !== ''), createdDate: 0 },
  ]);
  return Object.fromEntries(entries);
}

function labels(of: Versions): Record<string, string> {
  return Object.fromEntries(Object.entries(of).map(([id, version]) => [id, version.stages.join(' ')]));
}

test('AWSCURRENT takes AWSPREVIOUS along to the version that it leaves', () => {
  const before = versions({ a: 'AWSPREVIOUS x', b: 'AWSCURRENT y', c: 'z' });
  expect(labels(moveLabel(before, 'AWSCURRENT', 'c'))).toEqual({ a: 'x', b: 'y AWSPREVIOUS', c: 'z AWSCURRENT' });
});

test('AWSCURRENT moved back to the version of AWSPREVIOUS changes places with it', () => {
  const before = versions({ a: 'AWSPREVIOUS', b: 'AWSCURRENT' });
  expect(labels(moveLabel(before, 'AWSCURRENT', 'a'))).toEqual({ a: 'AWSCURRENT', b: 'AWSPREVIOUS' });
});

test('the first AWSCURRENT of a secret leaves no AWSPREVIOUS beside it', () => {
  expect(labels(moveLabel(versions({ a: 'AWSPREVIOUS' }), 'AWSCURRENT', 'a'))).toEqual({ a: 'AWSCURRENT' });
});

test('custom labels and AWSPENDING stay when AWSCURRENT moves', () => {
  const before = versions({ a: 'AWSCURRENT key-v1', b: 'AWSPENDING key-v2' });
  expect(labels(moveLabel(before, 'AWSCURRENT', 'b'))).toEqual({
    a: 'key-v1 AWSPREVIOUS',
    b: 'AWSPENDING key-v2 AWSCURRENT',
  });
});

test('a label moved to where it is changes nothing', () => {
  const before = versions({ a: 'AWSCURRENT x' });
  expect(moveLabel(before, 'x', 'a')).toBe(before);
  expect(moveLabel(before, 'AWSCURRENT', 'a')).toBe(before);
  expect(moveLabel(before, 'AWSPREVIOUS', 'a')).toBe(before);
  expect(detachLabel(before, 'nowhere')).toBe(before);
});

test('a new value takes its labels from the versions that have them', () => {
  const before = versions({ a: 'AWSCURRENT', b: 'one two three', c: '' });
  expect(labels(labelNewValue(before, 'c', ['four', 'two', 'one']))).toEqual({
    a: 'AWSCURRENT',
    b: 'three',
    c: 'four two one',
  });
});

test('a new AWSCURRENT takes AWSPENDING off every other version, even off the old AWSCURRENT', () => {
  const elsewhere = versions({ a: 'AWSCURRENT', b: 'AWSPENDING', c: '' });
  expect(labels(labelNewValue(elsewhere, 'c', ['AWSCURRENT']))).toEqual({ a: 'AWSPREVIOUS', b: '', c: 'AWSCURRENT' });
  const beside = versions({ a: 'AWSPREVIOUS', b: 'AWSCURRENT AWSPENDING', c: '' });
  expect(labels(labelNewValue(beside, 'c', ['AWSCURRENT']))).toEqual({ a: '', b: 'AWSPREVIOUS', c: 'AWSCURRENT' });
});

test('a new AWSCURRENT keeps AWSPENDING where both were asked for', () => {
  const before = versions({ a: 'AWSCURRENT AWSPENDING', b: '' });
  expect(labels(labelNewValue(before, 'b', ['AWSCURRENT', 'AWSPENDING']))).toEqual({
    a: 'AWSPREVIOUS',
    b: 'AWSPENDING AWSCURRENT',
  });
});

test('AWSPREVIOUS and AWSCURRENT asked for together do not end on one version', () => {
  const before = versions({ a: 'AWSCURRENT', b: '' });
  expect(labels(labelNewValue(before, 'b', ['AWSPREVIOUS', 'AWSCURRENT']))).toEqual({
    a: 'AWSPREVIOUS',
    b: 'AWSCURRENT',
  });
  expect(labels(labelNewValue(versions({ b: '' }), 'b', ['AWSCURRENT', 'AWSPREVIOUS']))).toEqual({ b: 'AWSCURRENT' });
});

test('a rotation is unfinished while AWSPENDING is on another version than AWSCURRENT', () => {
  expect(unfinishedVersion(versions({ a: 'AWSCURRENT', b: 'AWSPENDING' }))).toBe('b');
  expect(unfinishedVersion(versions({ b: 'AWSPENDING' }))).toBe('b');
  expect(unfinishedVersion(versions({ a: 'AWSCURRENT AWSPENDING' }))).toBeUndefined();
  expect(unfinishedVersion(versions({ a: 'AWSCURRENT' }))).toBeUndefined();
});

test('labels are listed in alphabetical order', () => {
  const [version] = Object.values(versions({ a: 'two AWSPENDING one AWSCURRENT' }));
  expect(version === undefined ? [] : listedStages(version)).toEqual(['AWSCURRENT', 'AWSPENDING', 'one', 'two']);
});

describe('settling a change', () => {
  const twenty = versions({ a: 'AWSCURRENT', b: Array.from({ length: 19 }, (_, n) => `l${n}`).join(' ') });

  test('the twentieth label is accepted, the twenty-first is not', () => {
    expect(settle(versions({ a: 'AWSCURRENT', b: '' }), twenty, 'kept')).toBe(twenty);
    expect(() => settle(twenty, moveLabel(twenty, 'l19', 'a'), 'kept')).toThrow('more than 20 staging labels');
  });

  test('with twenty labels one can still move, and go', () => {
    expect(holderOf(settle(twenty, moveLabel(twenty, 'l1', 'a'), 'kept'), 'l1')).toBe('a');
    expect(holderOf(settle(twenty, detachLabel(twenty, 'l1'), 'kept'), 'l1')).toBeUndefined();
  });

  test('a version that loses its last label goes at once, or is kept', () => {
    const before = versions({ a: 'AWSCURRENT', b: 'x', c: '' });
    const after = detachLabel(before, 'x');
    expect(Object.keys(settle(before, after, 'deleted-at-once'))).toEqual(['a', 'c']);
    expect(Object.keys(settle(before, after, 'kept'))).toEqual(['a', 'b', 'c']);
  });
});

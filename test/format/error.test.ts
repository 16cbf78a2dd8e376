import { inspect } from 'node:util';
import type * as errors from '../../src/format/error.ts';
import { failureName, isKeyRotationError, KeyRotationError, typeName } from '../../src/format/error.ts';

test('an error carries its code, its message and its own name', () => {
  const error = new KeyRotationError('RING_FULL', 'No label is free.');
  expect(error).toMatchObject({ code: 'RING_FULL', message: 'No label is free.', name: 'KeyRotationError' });
  expect(String(error)).toBe('KeyRotationError: No label is free.');
});

test('a cause is kept where one is given, and is not there at all where none is', () => {
  const cause = new Error('socket closed');
  expect(new KeyRotationError('CANNOT_REACH_AWS', 'No answer.', { cause }).cause).toBe(cause);
  expect('cause' in new KeyRotationError('RING_FULL', 'No label is free.')).toBe(false);
});

test('an error is recognised by its class and its code', () => {
  const error: unknown = new KeyRotationError('RING_FULL', 'No label is free.');
  expect(isKeyRotationError(error)).toBe(true);
  expect(isKeyRotationError(error, 'RING_FULL')).toBe(true);
  expect(isKeyRotationError(error, 'NUMBER_LOST')).toBe(false);
});

test('an error of another copy of this module is recognised as well', () => {
  jest.isolateModules(() => {
    const other = jest.requireActual<typeof errors>('../../src/format/error.ts');
    const foreign: unknown = new other.KeyRotationError('RING_FULL', 'No label is free.');
    expect(foreign).not.toBeInstanceOf(KeyRotationError);
    expect(isKeyRotationError(foreign, 'RING_FULL')).toBe(true);
    expect(isKeyRotationError(foreign, 'NUMBER_LOST')).toBe(false);
  });
});

test('what marks an error as one of ours does not print', () => {
  expect(inspect(new KeyRotationError('RING_FULL', 'No label is free.'))).not.toContain('Symbol');
});

test('the mark is one that every version of this package looks for', () => {
  const error = new KeyRotationError('RING_FULL', 'No label is free.');
  expect(Symbol.for('pazpaz-key-rotation.KeyRotationError') in error).toBe(true);
});

test.each([new Error('RING_FULL'), { code: 'RING_FULL' }, undefined, 'RING_FULL'])(
  'what others throw is not one of ours (%p)',
  (thrown) => {
    expect(isKeyRotationError(thrown, 'RING_FULL')).toBe(false);
  },
);

test.each([
  [Object.assign(new TypeError('fetch failed'), { code: 'ECONNREFUSED' }), 'TypeError: ECONNREFUSED'],
  [Object.assign(new Error('key abc'), { code: 'EAI_AGAIN' }), 'Error: EAI_AGAIN'],
  [new SyntaxError('Unexpected token "k", "key abc" is not valid JSON'), 'SyntaxError'],
])('a failure is identified by its name and the code of the machine (%p)', (error, name) => {
  expect(failureName(error)).toBe(name);
});

test.each([42, ['ENOENT'], 'key abc', 'ENOENT: key abc', 'key abc: ENOENT', 'ENOENT\n', '', 'E'.repeat(41)])(
  'a code that may hold an answer is not shown (%p)',
  (code) => {
    expect(failureName(Object.assign(new Error('no answer'), { code }))).toBe('Error');
  },
);

test.each(['key abc', undefined, null, { name: 'key abc' }])('what is no error is not shown (%p)', (thrown) => {
  expect(failureName(thrown)).toBe('unknown error');
});

test.each([
  [null, 'null'],
  [undefined, 'undefined'],
  ['secret', 'a string'],
  [7, 'a number'],
  [['secret'], 'an array'],
  [{ secret: 7 }, 'an object'],
])('a value is named, not shown (%p)', (value, name) => {
  expect(typeName(value)).toBe(name);
});

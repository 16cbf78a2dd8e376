import fc from 'fast-check';
import { jsonMembers, withJsonValues } from '../../../src/format/json/json-members.ts';

const anyObject = fc.dictionary(fc.string({ unit: 'binary' }), fc.jsonValue(), { maxKeys: 6, noNullPrototype: true });

test('the members are found in their order, those of objects within left out', () => {
  const json = ' {"b" : "x", "1":[{"c":1}, 2], "a":{"b":2,"d":[]} , "e":-1.50e3,"f":null } ';
  expect(jsonMembers(json).map(({ name, text }) => [name, text])).toEqual([
    ['b', '"x"'],
    ['1', '['],
    ['a', '{'],
    ['e', '-1.50e3'],
    ['f', 'null'],
  ]);
});

test('a name is known by its meaning, however it is escaped', () => {
  expect(jsonMembers(String.raw`{"\u0061\"\\":1}`)[0]?.name).toBe('a"\\');
});

test('quotes, braces and colons inside strings are no structure', () => {
  const json = JSON.stringify({ 'a":{': '}\\', b: '",":"', c: ['"]'] });
  expect(jsonMembers(json).map(({ name }) => name)).toEqual(['a":{', 'b', 'c']);
});

test('the members of any object are those that JSON.parse finds, with the same values', () => {
  fc.assert(
    fc.property(anyObject, fc.constantFrom(undefined, 1, '\t'), (object, indent) => {
      const json = JSON.stringify(object, null, indent);
      const members = jsonMembers(json);
      expect(members.map(({ name }) => name)).toEqual(Object.keys(JSON.parse(json) as object));
      for (const { text, start } of members) expect(json.startsWith(text, start)).toBe(true);
    }),
  );
});

test('exchanging a value changes that value and not one other character', () => {
  const json = '{ "id": 12345678901234567890, "key":"old", "10": 1.0,\n "2": {"key":"inner"}, "key2":"old"}';
  expect(withJsonValues(json, new Map([['key', 'n"ew']]))).toBe(
    '{ "id": 12345678901234567890, "key":"n\\"ew", "10": 1.0,\n "2": {"key":"inner"}, "key2":"old"}',
  );
});

test('several values are exchanged at once, and a name that is not there changes nothing', () => {
  const values = new Map<string, string | number>([
    ['a', 5],
    ['c', 'x'],
    ['missing', 1],
  ]);
  expect(withJsonValues('{"c":null,"b":2,"a":"1"}', values)).toBe('{"c":"x","b":2,"a":5}');
});

test('an object or array is not exchanged', () => {
  const json = '{"a":{"b":1},"c":[1]}';
  const values = new Map([
    ['a', 'x'],
    ['c', 'x'],
  ]);
  expect(withJsonValues(json, values)).toBe(json);
});

test('a string with millions of escapes, and a long number, are no trouble', () => {
  const json = JSON.stringify({ a: '\n"'.repeat(2_000_000), b: 1 }).replace('1}', `${'1'.repeat(5_000_000)} }`);
  expect(jsonMembers(json).map(({ name, text }) => [name, text.length])).toEqual([
    ['a', 8_000_002],
    ['b', 5_000_000],
  ]);
});

test('a string of the greatest length that a secret can hold is no trouble', () => {
  const json = JSON.stringify({ a: '\\"'.repeat(16_000), b: 1 });
  expect(jsonMembers(json).map(({ name }) => name)).toEqual(['a', 'b']);
});

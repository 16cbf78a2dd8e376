import { KeysInOrder } from '../../src/format/keys-in-order.ts';

/** Opens what only this key opens, and notes which keys were tried. */
function openedBy(right: string, tried: string[]) {
  return (key: string): string | undefined => {
    tried.push(key);
    return key === right ? 'opened' : undefined;
  };
}

test('keys are tried in order until one opens, and that one comes first next time', () => {
  const keys = new KeysInOrder(['a', 'b', 'c', 'd']);
  const tried: string[] = [];
  expect(keys.firstToOpen(openedBy('c', tried))).toBe('opened');
  expect(tried).toEqual(['a', 'b', 'c']);
  expect([...keys]).toEqual(['c', 'b', 'a', 'd']);
  expect(keys.firstToOpen(openedBy('c', tried))).toBe('opened');
  expect(tried).toEqual(['a', 'b', 'c', 'c']);
});

test('where no key opens, nothing comes of it and the order stays', () => {
  const keys = new KeysInOrder(['a', 'b']);
  expect(keys.firstToOpen(openedBy('x', []))).toBeUndefined();
  expect([...keys]).toEqual(['a', 'b']);
  expect(new KeysInOrder<string>().firstToOpen(openedBy('x', []))).toBeUndefined();
});

test('a key can be put first; one that is first, or is none of them, changes nothing', () => {
  const keys = new KeysInOrder(['a', 'b', 'c']);
  keys.putFirst('c');
  expect([...keys]).toEqual(['c', 'b', 'a']);
  for (const key of ['c', 'x']) {
    keys.putFirst(key);
    expect([...keys]).toEqual(['c', 'b', 'a']);
  }
});

test('the list that was given is not changed', () => {
  const given = ['a', 'b'];
  new KeysInOrder(given).putFirst('b');
  expect(given).toEqual(['a', 'b']);
});

test('attempts that fail collect no stacks', () => {
  let frames: string | undefined;
  new KeysInOrder(['a']).firstToOpen(() => {
    frames = new Error('no match').stack;
    return undefined;
  });
  expect(frames).toBe('Error: no match');
});

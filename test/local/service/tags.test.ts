import { StateMachine } from '../support/state-machine.ts';

function tags(machine: StateMachine): unknown {
  return machine.call('DescribeSecret', { SecretId: 'a' })['Tags'];
}

test('tags are added, changed and taken away; LastChangedDate moves with each', () => {
  const machine = new StateMachine().withSecret();
  machine.now += 1000;
  expect(machine.call('TagResource', { SecretId: 'a', Tags: [{ Key: 'x', Value: '1' }, { Key: 'y' }] })).toEqual({});
  expect(tags(machine)).toEqual([
    { Key: 'x', Value: '1' },
    { Key: 'y', Value: '' },
  ]);
  expect(machine.secret.lastChangedDate).toBe(machine.now);
  machine.call('TagResource', { SecretId: 'a', Tags: [{ Key: 'x', Value: '2' }] });
  expect(tags(machine)).toEqual([
    { Key: 'y', Value: '' },
    { Key: 'x', Value: '2' },
  ]);
  machine.now += 1000;
  expect(machine.call('UntagResource', { SecretId: 'a', TagKeys: ['x', 'y'] })).toEqual({});
  expect(tags(machine)).toEqual([]);
  expect(machine.secret.lastChangedDate).toBe(machine.now);
});

test('a secret that never had a tag shows no list of tags', () => {
  expect(new StateMachine().withSecret().call('DescribeSecret', { SecretId: 'a' })).not.toHaveProperty('Tags');
});

test('taking away what is not there, or adding nothing, changes nothing', () => {
  const machine = new StateMachine().withSecret();
  const before = machine.state;
  machine.call('UntagResource', { SecretId: 'a', TagKeys: ['x'] });
  machine.call('TagResource', { SecretId: 'a', Tags: [] });
  expect(machine.state).toBe(before);
});

test('the fifty-first tag, a reserved key, a key twice and no key at all are refused', () => {
  const machine = new StateMachine().withSecret();
  const Tags = Array.from({ length: 50 }, (_, n) => ({ Key: `k${n}`, Value: '' }));
  machine.call('TagResource', { SecretId: 'a', Tags });
  const refusal = (...more: object[]): string => machine.refusal('TagResource', { SecretId: 'a', Tags: more });
  expect(refusal({ Key: 'k50' })).toBe('InvalidParameterException: A secret can have at most 50 tags.');
  expect(refusal({ Key: 'aws:x' })).toMatch('aws: prefixed tag key names are not allowed');
  expect(refusal({ Key: 'k1' }, { Key: 'k1' })).toMatch('only once');
  expect(refusal({ Value: 'v' })).toMatch('must have a key');
  machine.call('TagResource', { SecretId: 'a', Tags: [{ Key: 'k1', Value: 'changed' }] });
});

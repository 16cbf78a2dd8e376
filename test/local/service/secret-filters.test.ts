import { isJsonObject } from '../../../src/local/json.ts';
import { RECORDED_FILTERS, REFUSED_FILTERS } from '../support/filter-facts.ts';
import { StateMachine, token } from '../support/state-machine.ts';

function names(answer: Readonly<Record<string, unknown>>, member: string): unknown[] {
  const listed: unknown = answer[member];
  return Array.isArray(listed) ? listed.filter(isJsonObject).map((secret) => secret['Name']) : [];
}

describe.each(RECORDED_FILTERS)('$source', ({ secrets, facts }) => {
  const machine = new StateMachine();
  for (const { name, description, tags = {} } of secrets) {
    machine.call('CreateSecret', {
      Name: name,
      ClientRequestToken: token(1),
      SecretString: 'x',
      ...(description === undefined ? {} : { Description: description }),
      Tags: Object.entries(tags).map(([Key, Value]) => ({ Key, Value })),
    });
  }

  test.each(facts)('%j finds %j', (filters, found) => {
    const Filters = filters.map(([Key, ...Values]) => ({ Key, Values }));
    expect(names(machine.call('ListSecrets', { Filters }), 'SecretList')).toEqual(found);
    expect(names(machine.call('BatchGetSecretValue', { Filters }), 'SecretValues')).toEqual(found);
  });
});

test.each(REFUSED_FILTERS)('$source: $filter is refused with $refusal', ({ filter, refusal }) => {
  const machine = new StateMachine().withSecret();
  expect(machine.refusal('ListSecrets', { Filters: [filter] })).toBe(refusal);
  expect(machine.refusal('BatchGetSecretValue', { Filters: [filter] })).toBe(refusal);
});

test('at least 40 facts are recorded', () => {
  expect(RECORDED_FILTERS.flatMap(({ facts }) => facts).length + REFUSED_FILTERS.length).toBeGreaterThan(40);
});

import { isJsonObject } from '../../src/local/json.ts';
import { StateMachine, token } from './support/state-machine.ts';

interface Described {
  readonly name: string;
  readonly description?: string;
  readonly tags?: Readonly<Record<string, string>>;
}

/** What the facts are about; each has a name of its own, so a fact names what is found. */
const SECRETS: readonly Described[] = [
  { name: 'one', description: 'one two' },
  { name: 'between', description: 'one and two' },
  { name: 'article', description: 'This is an secret' },
  { name: 'first-only', description: 'one' },
  { name: 'prod/AppBeta/x' },
  { name: 'uat/COMPANYthings', description: 'Shared_parts of all' },
  { name: 'uat/COMPANY' },
  { name: 'tagged', tags: { team: 'Blue sky', Stage: 'prod' } },
  { name: 'spread', description: 'red', tags: { team: 'green' } },
  { name: 'plain' },
];

const NOT_PLAIN = SECRETS.map(({ name }) => name).filter((name) => name !== 'plain');
const ALL = SECRETS.map(({ name }) => name);

/** Filter key, values, what is found. Facts of AWS's documentation and of records of the real service. */
const FACTS: readonly (readonly [key: string, values: readonly string[], found: readonly string[]])[] = [
  // Names: by prefix, with case.
  ['name', ['prod'], ['prod/AppBeta/x']],
  ['name', ['prod/AppBeta/x'], ['prod/AppBeta/x']],
  ['name', ['prod/AppBeta/x/'], []],
  ['name', ['Prod'], []],
  ['name', ['AppBeta'], []],
  ['name', ['uat/'], ['uat/COMPANYthings', 'uat/COMPANY']],
  ['name', ['prod', 'plain'], ['prod/AppBeta/x', 'plain']],
  ['name', ['!plain'], NOT_PLAIN],
  ['name', ['uat', '!uat/COMPANYt'], ['uat/COMPANY']],
  ['name', ['nothing'], []],
  // Descriptions: by words, without case, in any order and place.
  ['description', ['one'], ['one', 'between', 'first-only']],
  ['description', ['two'], ['one', 'between']],
  ['description', ['one two'], ['one', 'between']],
  ['description', ['two one'], ['one', 'between']],
  ['description', ['ONE'], ['one', 'between', 'first-only']],
  ['description', ['o t'], ['one', 'between']],
  ['description', ['ne'], []],
  ['description', ['a secret'], ['article']],
  ['description', ['This is'], ['article']],
  ['description', ['this secret is'], ['article']],
  ['description', ['one', 'secret'], ['one', 'between', 'article', 'first-only']],
  ['description', ['parts'], ['uat/COMPANYthings']],
  ['description', ['+'], []],
  ['description', [''], []],
  ['description', ['plain'], []],
  // Tags: by prefix, with case.
  ['tag-key', ['team'], ['tagged', 'spread']],
  ['tag-key', ['te'], ['tagged', 'spread']],
  ['tag-key', ['Team'], []],
  ['tag-key', ['Stage'], ['tagged']],
  ['tag-value', ['Blue'], ['tagged']],
  ['tag-value', ['blue'], []],
  ['tag-value', ['sky'], []],
  ['tag-value', ['prod', 'green'], ['tagged', 'spread']],
  // Everything: by words of one attribute, without case; a capital letter begins a word.
  ['all', ['one'], ['one', 'between', 'first-only']],
  ['all', ['prod'], ['prod/AppBeta/x', 'tagged']],
  ['all', ['Beta'], ['prod/AppBeta/x']],
  ['all', ['beta'], ['prod/AppBeta/x']],
  ['all', ['App'], ['prod/AppBeta/x']],
  ['all', ['AppBeta'], ['prod/AppBeta/x']],
  ['all', ['eta'], []],
  ['all', ['company'], ['uat/COMPANYthings', 'uat/COMPANY']],
  ['all', ['COMPANY'], ['uat/COMPANYthings', 'uat/COMPANY']],
  ['all', ['things'], ['uat/COMPANYthings']],
  ['all', ['things uat'], ['uat/COMPANYthings']],
  ['all', ['sky blue'], ['tagged']],
  ['all', ['red green'], []],
  ['all', ['team green'], []],
  ['all', ['spread'], ['spread']],
  ['all', ['+'], []],
  ['all', ['/'], []],
  ['all', ['!one'], ALL.filter((name) => !['one', 'between', 'first-only'].includes(name))],
  ['primary-region', ['us-east-1'], ALL],
  ['primary-region', ['eu-west-1'], []],
  ['owning-service', ['rds'], []],
];

function machineWithSecrets(): StateMachine {
  const machine = new StateMachine();
  for (const { name, description, tags = {} } of SECRETS) {
    machine.call('CreateSecret', {
      Name: name,
      ClientRequestToken: token(1),
      SecretString: 'x',
      ...(description === undefined ? {} : { Description: description }),
      Tags: Object.entries(tags).map(([Key, Value]) => ({ Key, Value })),
    });
  }
  return machine;
}

function names(answer: Readonly<Record<string, unknown>>, member: string): unknown[] {
  const listed: unknown = answer[member];
  return Array.isArray(listed) ? listed.filter(isJsonObject).map((secret) => secret['Name']) : [];
}

describe('a filter', () => {
  const machine = machineWithSecrets();

  test.each(FACTS)('by %s %j finds %j', (Key, Values, found) => {
    const Filters = [{ Key, Values }];
    expect(names(machine.call('ListSecrets', { Filters }), 'SecretList')).toEqual(found);
    expect(names(machine.call('BatchGetSecretValue', { Filters }), 'SecretValues')).toEqual(found);
  });

  test('has to fit together with every other filter', () => {
    const Filters = [
      { Key: 'description', Values: ['one'] },
      { Key: 'description', Values: ['two'] },
      { Key: 'name', Values: ['o'] },
    ];
    expect(names(machine.call('ListSecrets', { Filters }), 'SecretList')).toEqual(['one']);
  });
});

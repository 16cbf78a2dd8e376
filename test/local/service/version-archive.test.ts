import fc from 'fast-check';
import { parseStateFile, stateFileText } from '../../../src/local/saved-state.ts';
import { isJsonObject } from '../../../src/local/json.ts';
import { DAY, StateMachine, token } from '../support/state-machine.ts';

/** A secret with the versions 1 to `count`, each put when AWSCURRENT was on the one before. */
function withVersions(count: number, machine = new StateMachine()): StateMachine {
  machine.withSecret();
  for (let n = 2; n <= count; n += 1) {
    machine.now += 1;
    machine.put(n);
  }
  return machine;
}

/** The numbers of all versions in the order of the listing. */
function listed(machine: StateMachine): number[] {
  const numbers: number[] = [];
  let NextToken: unknown;
  do {
    const page = machine.call('ListSecretVersionIds', { SecretId: 'a', IncludeDeprecated: true, NextToken });
    const versions: unknown = page['Versions'];
    if (!Array.isArray(versions)) throw new Error('no versions');
    for (const version of versions.filter(isJsonObject)) numbers.push(Number(String(version['VersionId']).slice(-12)));
    NextToken = page['NextToken'];
  } while (NextToken !== undefined);
  return numbers;
}

function valueOf(machine: StateMachine, n: number): unknown {
  return machine.call('GetSecretValue', { SecretId: 'a', VersionId: token(n) })['SecretString'];
}

const upTo = (count: number): number[] => Array.from({ length: count }, (_, index) => index + 1);

describe('a secret with many versions', () => {
  test('has few of them in the record that each change copies, however many there are', () => {
    const outside = (count: number): number => Object.keys(withVersions(count).secret.versions).length;
    expect(outside(128)).toBe(128);
    expect(Math.max(...[129, 500, 1000, 2000].map(outside))).toBeLessThanOrEqual(128);
  });

  test('lists them all in the order in which they were made, and gives each value', () => {
    const machine = withVersions(400);
    expect(listed(machine)).toEqual(upTo(400));
    for (const n of upTo(400)) expect(valueOf(machine, n)).toBe(`v${n}`);
    expect(listed(machine)).toEqual(upTo(400));
  });

  test('answers a put of an old one as of any other', () => {
    const machine = withVersions(400);
    const before = machine.state;
    expect(machine.put(1)).toMatchObject({ VersionId: token(1), VersionStages: [] });
    expect(machine.state).toBe(before);
    expect(
      machine.refusal('PutSecretValue', { SecretId: 'a', ClientRequestToken: token(1), SecretString: 'other' }),
    ).toMatch(/^ResourceExistsException/);
    machine.rotate(1);
    expect(machine.secret.rotation).toBeUndefined();
  });

  test('gives an old one a label, and takes it away again', () => {
    const machine = withVersions(400);
    machine.call('UpdateSecretVersionStage', { SecretId: 'a', VersionStage: 'key-v1', MoveToVersionId: token(1) });
    machine.call('UpdateSecretVersionStage', {
      SecretId: 'a',
      VersionStage: 'AWSCURRENT',
      MoveToVersionId: token(2),
      RemoveFromVersionId: token(400),
    });
    expect(machine.call('DescribeSecret', { SecretId: 'a' })['VersionIdsToStages']).toEqual({
      [token(1)]: ['key-v1'],
      [token(2)]: ['AWSCURRENT'],
      [token(400)]: ['AWSPREVIOUS'],
    });
    expect(listed(machine)).toEqual(upTo(400));
  });

  test('loses only what is old enough when there are more than 100', () => {
    const machine = withVersions(300, new StateMachine({ unlabelledVersions: 'as-documented' }));
    expect(listed(machine)).toHaveLength(300);
    machine.now += DAY;
    for (const n of upTo(50)) machine.put(300 + n);
    expect(listed(machine)).toEqual(upTo(100).map((n) => 250 + n));
    for (const n of upTo(100)) machine.put(350 + n);
    expect(listed(machine)).toEqual(upTo(150).map((n) => 300 + n));
  });

  test('is the same secret after it was written to a file and read', () => {
    const machine = withVersions(400);
    const { state } = parseStateFile(stateFileText({ clockOffset: 0, state: machine.state }));
    machine.state = state;
    machine.put(401);
    expect(listed(machine)).toEqual(upTo(401));
    expect(Object.keys(machine.secret.versions).length).toBeLessThanOrEqual(128);
  });

  test('keeps each version once, with its value, and each label on one, after any sequence of calls', () => {
    const step = fc.record({ kind: fc.constantFrom('put', 'move', 'read'), n: fc.integer({ min: 1, max: 320 }) });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const machine = withVersions(260);
        const made = new Set(upTo(260));
        for (const { kind, n } of steps) {
          machine.now += 1;
          if (kind === 'put') machine.put(n);
          if (kind === 'put') made.add(n);
          if (!made.has(n)) continue;
          if (kind === 'read') expect(valueOf(machine, n)).toBe(`v${n}`);
          if (kind !== 'move') continue;
          const holder = Object.entries(machine.labels).find(([, labels]) => labels.includes('x'))?.[0];
          const from = holder === undefined ? {} : { RemoveFromVersionId: token(Number(holder)) };
          const move = { SecretId: 'a', VersionStage: 'x', MoveToVersionId: token(n), ...from };
          machine.call('UpdateSecretVersionStage', move);
        }
        expect(listed(machine).sort((one, other) => one - other)).toEqual([...made].sort((one, other) => one - other));
        const labels = Object.values(machine.secret.versions).flatMap(({ stages }) => stages);
        expect(new Set(labels).size).toBe(labels.length);
      }),
      { numRuns: 50 },
    );
  });
});

test('a machine whose clock is set back at every put loses no label, and no version that has one', () => {
  const machine = new StateMachine({ unlabelledVersions: 'as-documented' }).withSecret();
  for (let number = 2; number < 400; number += 1) {
    machine.now -= DAY;
    machine.put(number);
    expect(machine.call('GetSecretValue', { SecretId: 'a' })).toMatchObject({ VersionId: token(number) });
    expect(machine.call('GetSecretValue', { SecretId: 'a', VersionStage: 'AWSPREVIOUS' })).toMatchObject({
      VersionId: token(number - 1),
    });
  }
});

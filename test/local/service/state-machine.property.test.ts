import fc from 'fast-check';
import type { OperationName } from '../../../src/local/service/perform.ts';
import {
  beginScheduledRotation,
  rotationGivenUp,
  rotationSucceeded,
  testSucceeded,
} from '../../../src/local/service/rotation-state.ts';
import { ServiceError } from '../../../src/local/service/service-error.ts';
import type { Behaviour } from '../../../src/local/service/state.ts';
import { HOUR, LAMBDA, StateMachine, token } from '../support/state-machine.ts';

const LABELS = ['AWSCURRENT', 'AWSPREVIOUS', 'AWSPENDING', 'key-v1', 'key-v2', 'x'];

const anyToken = fc.integer({ min: 1, max: 6 }).map(token);
const label = fc.constantFrom(...LABELS);
const maybe = <T>(of: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> => fc.option(of, { nil: undefined });

type Step = (machine: StateMachine) => void;

function call(name: OperationName, input: object): Step {
  return (machine) => {
    try {
      machine.call(name, { SecretId: 'a', ...input });
    } catch (error) {
      if (!(error instanceof ServiceError)) throw error;
    }
  };
}

const put = fc
  .record({ ClientRequestToken: anyToken, SecretString: fc.constantFrom('v1', 'v2') })
  .chain((input) =>
    maybe(fc.uniqueArray(label, { minLength: 1, maxLength: 3 })).map((VersionStages) =>
      call('PutSecretValue', { ...input, VersionStages }),
    ),
  );
const update = fc
  .record({
    ClientRequestToken: anyToken,
    SecretString: maybe(fc.constantFrom('v1', 'v2')),
    KmsKeyId: maybe(fc.constant('k')),
  })
  .map((input) => call('UpdateSecret', input));
const moveLabel = fc
  .record({ VersionStage: label, RemoveFromVersionId: maybe(anyToken), MoveToVersionId: maybe(anyToken) })
  .map((input) => call('UpdateSecretVersionStage', input));
const rotate = fc
  .record({ ClientRequestToken: anyToken, RotateImmediately: fc.boolean() })
  .map((input) =>
    call('RotateSecret', { ...input, RotationLambdaARN: LAMBDA, RotationRules: { AutomaticallyAfterDays: 1 } }),
  );
const others = fc.constantFrom(
  call('CancelRotateSecret', {}),
  call('DeleteSecret', {}),
  call('RestoreSecret', {}),
  call('GetSecretValue', {}),
  call('TagResource', { Tags: [{ Key: 'k', Value: 'v' }] }),
  call('ListSecretVersionIds', {}),
);
const transition = fc.oneof(
  fc.constant<Step>((machine) => {
    machine.apply((state, context) => beginScheduledRotation(state, machine.arn, context));
  }),
  fc
    .tuple(fc.constantFrom(rotationSucceeded, rotationGivenUp, testSucceeded), anyToken)
    .map(([change, id]): Step => (machine) => {
      machine.apply((state, context) => change(state, machine.arn, id, context));
    }),
);
const steps = fc.array(fc.oneof(put, put, update, moveLabel, moveLabel, moveLabel, rotate, others, transition), {
  maxLength: 40,
});

const behaviour: fc.Arbitrary<Behaviour> = fc.record({
  unlabelledVersions: fc.constantFrom('deleted-at-once', 'kept', 'as-documented'),
  firstPendingValue: fc.constantFrom('becomes-current', 'stays-pending'),
  pendingAfterSuccess: fc.constantFrom('removed', 'left'),
});

function expectSoundLabels(machine: StateMachine): void {
  const versions = Object.values(machine.secret.versions);
  const all = versions.flatMap((version) => version.stages);
  expect(new Set(all).size).toBe(all.length);
  expect(all.length).toBeLessThanOrEqual(20);
  for (const version of versions) {
    expect(version.stages.includes('AWSCURRENT') && version.stages.includes('AWSPREVIOUS')).toBe(false);
  }
  if (machine.behaviour.unlabelledVersions === 'deleted-at-once') {
    expect(versions.every((version) => version.stages.length > 0)).toBe(true);
  }
}

// Each state is frozen all through (state-machine.ts): a transition that changed the one it was given would throw.
describe('after any sequence of calls, however the service behaves', () => {
  test('a label is on one version at most, and AWSPREVIOUS never on that of AWSCURRENT', () => {
    fc.assert(
      fc.property(behaviour, fc.boolean(), steps, (chosen, hasValue, run) => {
        const machine = new StateMachine(chosen);
        machine.call('CreateSecret', {
          Name: 'a',
          ClientRequestToken: token(1),
          ...(hasValue ? { SecretString: 'v1' } : {}),
        });
        for (const step of run) {
          machine.now += HOUR;
          step(machine);
          expectSoundLabels(machine);
        }
      }),
      { numRuns: 500 },
    );
  });

  test('there is exactly one AWSCURRENT from the first value on, and it can be taken away by nothing', () => {
    fc.assert(
      fc.property(behaviour, steps, (chosen, run) => {
        const machine = new StateMachine({ ...chosen, firstPendingValue: 'becomes-current' });
        machine.call('CreateSecret', { Name: 'a', ClientRequestToken: token(9) });
        let hadValue = false;
        for (const step of run) {
          step(machine);
          const versions = Object.values(machine.secret.versions);
          hadValue ||= versions.some((version) => version.value !== undefined);
          const current = versions.filter((version) => version.stages.includes('AWSCURRENT'));
          if (hadValue) expect(current).toHaveLength(1);
        }
      }),
      { numRuns: 500 },
    );
  });

  test('a value, once it is there, never becomes another one', () => {
    fc.assert(
      fc.property(behaviour, steps, (chosen, run) => {
        const machine = new StateMachine(chosen).withSecret();
        for (const step of run) {
          const before = machine.secret.versions;
          step(machine);
          for (const [id, version] of Object.entries(machine.secret.versions)) {
            const earlier = before[id]?.value;
            if (earlier !== undefined) expect(version.value).toEqual(earlier);
          }
        }
      }),
    );
  });

  test('LastChangedDate moves whenever a label or a value does', () => {
    fc.assert(
      fc.property(behaviour, steps, (chosen, run) => {
        const machine = new StateMachine(chosen).withSecret();
        const shape = (): string =>
          JSON.stringify(Object.entries(machine.secret.versions).map(([id, { stages, value }]) => [id, stages, value]));
        for (const step of run) {
          machine.now += HOUR;
          const before = shape();
          step(machine);
          if (shape() !== before) expect(machine.secret.lastChangedDate).toBe(machine.now);
        }
      }),
    );
  });
});

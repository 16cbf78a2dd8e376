import {
  CreateSecretCommand,
  DeleteSecretCommand,
  DescribeSecretCommand,
  RotateSecretCommand,
} from '@aws-sdk/client-secrets-manager';
import { LocalSecretsManager } from '../../../src/local/local-secrets-manager.ts';
import type { StartOptions } from '../../../src/local/start.ts';
import { startService, stopServices, type RunningService } from '../support/running-service.ts';
import { LAMBDA_ARN, SimpleLambda } from '../support/simple-lambda.ts';

afterEach(stopServices);

const STEPS = ['createSecret', 'setSecret', 'testSecret', 'finishSecret'];
const EVERY_YEAR = { AutomaticallyAfterDays: 365 };

interface Scene extends RunningService {
  readonly lambda: SimpleLambda;
  readonly arn: string;
  readonly rotate: (options?: object) => Promise<string>;
  readonly stages: () => Promise<Record<string, string[]>>;
}

async function scene(lambda = new SimpleLambda(), options: StartOptions = {}): Promise<Scene> {
  const local = await startService({ lambda: lambda.invoke, notices: false, ...options });
  lambda.worksOn(local.service);
  const { ARN: arn = '' } = await local.client.send(new CreateSecretCommand({ Name: 'key', SecretString: 'first' }));
  return {
    ...local,
    lambda,
    arn,
    rotate: async (more = {}) => {
      const input = { SecretId: 'key', RotationLambdaARN: LAMBDA_ARN, RotationRules: EVERY_YEAR, ...more };
      const { VersionId = '' } = await local.client.send(new RotateSecretCommand(input));
      return VersionId;
    },
    stages: async () => {
      const { VersionIdsToStages = {} } = await local.client.send(new DescribeSecretCommand({ SecretId: arn }));
      return VersionIdsToStages;
    },
  };
}

/** Fails the given steps as often as given. */
function failing(failures: Record<string, number>): SimpleLambda {
  return new SimpleLambda((step) => {
    const left = failures[step] ?? 0;
    failures[step] = left - 1;
    if (left > 0) throw new Error(`${step} failed`);
  });
}

describe('a rotation', () => {
  test('is answered at once and then runs the four steps in order with one token', async () => {
    const { service, lambda, arn, rotate, stages } = await scene();
    const token = await rotate();
    await service.idle();
    expect(lambda.steps).toEqual(STEPS);
    expect(new Set(lambda.events.map((event) => event['SecretId']))).toEqual(new Set([arn]));
    expect(new Set(lambda.events.map((event) => event['ClientRequestToken']))).toEqual(new Set([token]));
    expect(new Set(lambda.events.map((event) => event['RotationToken'])).size).toBe(1);
    expect((await stages())[token]).toEqual(['AWSCURRENT']);
    expect(service.history.records).toMatchObject([{ token, outcome: 'succeeded', attempts: [{ steps: STEPS }] }]);
  });

  test('starts from a placeholder that is pending and has no value', async () => {
    const seen: unknown[] = [];
    const lambda = new SimpleLambda((step, { state }) => {
      if (step === 'createSecret') seen.push(...Object.values(Object.values(state.secrets)[0]?.versions ?? {}));
    });
    const { service, rotate } = await scene(lambda);
    await rotate();
    await service.idle();
    expect(seen[1]).toEqual({ stages: ['AWSPENDING'], createdDate: expect.any(Number) as unknown });
  });

  test('of which a step fails is run again as a whole, with the same token', async () => {
    const { service, lambda, rotate } = await scene(failing({ testSecret: 1 }));
    const token = await rotate();
    await service.idle();
    expect(lambda.steps).toEqual([...STEPS.slice(0, 3), ...STEPS]);
    expect(service.history.records).toMatchObject([
      {
        token,
        outcome: 'succeeded',
        attempts: [{ error: { step: 'testSecret', type: 'Error', message: 'testSecret failed' } }, { steps: STEPS }],
      },
    ]);
  });

  test('that fails every time is given up, and blocks RotateSecret, which takes its token up again', async () => {
    const { service, client, lambda, rotate, stages } = await scene(failing({ setSecret: 2 }), { tries: 2 });
    const token = await rotate();
    await service.idle();
    expect(service.history.records).toMatchObject([{ outcome: 'given up' }]);
    expect((await stages())[token]).toEqual(['AWSPENDING']);
    await expect(client.send(new RotateSecretCommand({ SecretId: 'key' }))).rejects.toThrow(
      "A previous rotation isn't complete. That rotation will be reattempted.",
    );
    await service.idle();
    expect(new Set(lambda.events.map((event) => event['ClientRequestToken'])).size).toBe(1);
    expect((await stages())[token]).toEqual(['AWSCURRENT']);
  });

  test('of a secret without a value makes its first one', async () => {
    const { service, client, stages } = await scene();
    await client.send(new CreateSecretCommand({ Name: 'empty' }));
    const input = { SecretId: 'empty', RotationLambdaARN: LAMBDA_ARN, RotationRules: EVERY_YEAR };
    const { VersionId = '' } = await client.send(new RotateSecretCommand(input));
    await service.idle();
    const { VersionIdsToStages } = await client.send(new DescribeSecretCommand({ SecretId: 'empty' }));
    expect(VersionIdsToStages).toEqual({ [VersionId]: ['AWSCURRENT'] });
    expect(Object.keys(await stages())).toHaveLength(1);
  });

  test('may leave AWSPENDING beside AWSCURRENT, if the service is told to behave so', async () => {
    const { service, rotate, stages } = await scene(undefined, { behaviour: { pendingAfterSuccess: 'left' } });
    const token = await rotate();
    await service.idle();
    expect((await stages())[token]?.sort()).toEqual(['AWSCURRENT', 'AWSPENDING']);
  });

  test('whose Lambda does nothing stays unfinished', async () => {
    const local = await startService({ lambda: () => Promise.resolve(null) });
    await local.client.send(new CreateSecretCommand({ Name: 'key', SecretString: 'first' }));
    const input = { SecretId: 'key', RotationLambdaARN: LAMBDA_ARN, RotationRules: EVERY_YEAR };
    await local.client.send(new RotateSecretCommand(input));
    await local.service.idle();
    expect(local.service.history.records).toMatchObject([{ outcome: 'unfinished' }]);
    await expect(local.client.send(new RotateSecretCommand(input))).rejects.toThrow("isn't complete");
  });

  test('without a Lambda to run fails and says so', async () => {
    const { service, client } = await startService({ tries: 1 });
    await client.send(new CreateSecretCommand({ Name: 'key', SecretString: 'first' }));
    await client.send(
      new RotateSecretCommand({ SecretId: 'key', RotationLambdaARN: LAMBDA_ARN, RotationRules: EVERY_YEAR }),
    );
    await service.idle();
    expect(service.history.records[0]?.attempts[0]?.error?.type).toBe('Local.NoLambda');
  });
});

describe('a test run (RotateImmediately=false)', () => {
  test('calls testSecret alone, and leaves no version behind', async () => {
    const { service, lambda, rotate, stages } = await scene();
    await rotate({ RotateImmediately: false });
    await service.idle();
    expect(lambda.steps).toEqual(['testSecret']);
    expect(Object.values(await stages())).toEqual([['AWSCURRENT']]);
    expect(service.history.records).toMatchObject([{ kind: 'test', outcome: 'succeeded' }]);
  });

  test('that fails for good is taken up as a rotation by the next RotateSecret', async () => {
    const { service, client, lambda, rotate } = await scene(failing({ testSecret: 3 }));
    await rotate({ RotateImmediately: false });
    await service.idle();
    expect(lambda.steps).toEqual(['testSecret', 'testSecret', 'testSecret']);
    await expect(client.send(new RotateSecretCommand({ SecretId: 'key' }))).rejects.toThrow("isn't complete");
    await service.idle();
    expect(lambda.steps.slice(3)).toEqual(STEPS);
  });
});

describe('a rotation is abandoned', () => {
  test.each([
    ['PutSecretValue', { SecretId: 'key', SecretString: 'by hand', ClientRequestToken: 'a'.repeat(32) }],
    ['CancelRotateSecret', { SecretId: 'key' }],
    ['DeleteSecret', { SecretId: 'key' }],
  ])('by %s', async (operation, input) => {
    const lambda = new SimpleLambda(async (step, service) => {
      if (step === 'setSecret') await service.call(operation, input);
    });
    const here = await scene(lambda);
    await here.rotate();
    await here.service.idle();
    expect(lambda.steps).toEqual(['createSecret', 'setSecret']);
    expect(here.service.history.records).toMatchObject([{ outcome: 'abandoned' }]);
    expect(here.service.state.secrets[here.arn]?.rotation?.underWay).toBeUndefined();
  });

  test('and the next one of the same secret waits for its step to return', async () => {
    let concurrent = 0;
    let most = 0;
    const lambda: SimpleLambda = new SimpleLambda(async (step, service) => {
      concurrent += 1;
      most = Math.max(most, concurrent);
      if (step === 'setSecret' && lambda.steps.length === 2) {
        await service.call('PutSecretValue', {
          SecretId: 'key',
          SecretString: 'by hand',
          ClientRequestToken: 'a'.repeat(32),
        });
        await service.call('RotateSecret', { SecretId: 'key', ClientRequestToken: 'b'.repeat(32) });
      }
      concurrent -= 1;
    });
    const here = await scene(lambda);
    await here.rotate();
    await here.service.idle();
    expect(most).toBe(1);
    expect(lambda.steps).toEqual(['createSecret', 'setSecret', ...STEPS]);
    expect(here.service.history.records.map(({ outcome }) => outcome)).toEqual(['abandoned', 'succeeded']);
  });
});

describe('as time passes', () => {
  test('ten years of a 365-day schedule are ten rotations, each at its own time', async () => {
    const { service, rotate, stages } = await scene();
    await rotate({ RotateImmediately: false });
    await service.idle();
    for (let year = 0; year < 10; year += 1) await service.advanceToNextRotation('key');
    const rotations = service.history.records.filter(({ kind }) => kind === 'rotation');
    expect(rotations).toHaveLength(10);
    expect(rotations.every(({ outcome }) => outcome === 'succeeded')).toBe(true);
    expect(
      Object.values(await stages())
        .flat()
        .sort(),
    ).toEqual(['AWSCURRENT', 'AWSPREVIOUS']);
  });

  test('one long move does the same as ten short ones', async () => {
    const { service, rotate } = await scene();
    await rotate();
    await service.idle();
    const start = service.clock.now();
    await service.advance(3660 * 86_400_000);
    const gaps = service.history.records.map(
      ({ startedAt }, index, all) => startedAt - (all[index - 1]?.startedAt ?? 0),
    );
    expect(service.history.records).toHaveLength(11);
    expect(gaps.slice(1).every((gap) => Math.abs(gap - 365 * 86_400_000) <= 2 * 86_400_000)).toBe(true);
    expect(service.clock.now() - start).toBeGreaterThanOrEqual(3660 * 86_400_000);
  });

  test('a rotation that was given up is tried again in the next window', async () => {
    const { service, rotate } = await scene(failing({ createSecret: 1 }), { tries: 1 });
    const token = await rotate();
    await service.idle();
    await service.advanceToNextRotation('key');
    expect(service.history.records).toMatchObject([
      { token, outcome: 'given up' },
      { token, outcome: 'succeeded' },
    ]);
  });

  test('a secret whose recovery window ends is gone', async () => {
    const { service, client, arn } = await scene();
    await client.send(new DeleteSecretCommand({ SecretId: 'key', RecoveryWindowInDays: 7 }));
    await service.advance(6 * 86_400_000);
    expect(Object.keys(service.state.secrets)).toEqual([arn]);
    await service.advance(2 * 86_400_000);
    expect(service.state.secrets).toEqual({});
  });

  test('the clock does not run backwards', async () => {
    const { service } = await scene();
    await expect(service.advanceTo(0)).rejects.toThrow('only moves forward');
    await expect(service.advanceToNextRotation('key')).rejects.toThrow('no rotation to come');
  });
});

test('a rotation that the service closed upon is taken up again by the next one with the same state', async () => {
  const hanging = await startService({
    lambda: ({ signal }) =>
      new Promise((_resolve, reject) => {
        signal.addEventListener('abort', () => {
          reject(new Error('killed'));
        });
      }),
  });
  await hanging.client.send(new CreateSecretCommand({ Name: 'key', SecretString: 'first' }));
  await hanging.client.send(
    new RotateSecretCommand({ SecretId: 'key', RotationLambdaARN: LAMBDA_ARN, RotationRules: EVERY_YEAR }),
  );
  await hanging.service.close();
  expect(hanging.service.history.records).toMatchObject([{ outcome: 'interrupted' }]);
  const lambda = new SimpleLambda();
  const next = new LocalSecretsManager({
    invoke: lambda.invoke,
    saved: { clockOffset: 0, state: hanging.service.state },
  });
  lambda.worksOn(next);
  next.start();
  await next.idle();
  expect(lambda.steps).toEqual(STEPS);
  expect(next.history.records[0]?.token).toBe(hanging.service.history.records[0]?.token);
  await next.close();
});

test('a rotation that fell due while no service ran is carried out by the next one', async () => {
  const { service, rotate } = await scene();
  await rotate();
  await service.idle();
  const lambda = new SimpleLambda();
  let hasBegun: () => void = () => undefined;
  const beginning = new Promise<void>((resolve) => (hasBegun = resolve));
  const later = new LocalSecretsManager({
    realNow: () => Date.now() + 400 * 86_400_000,
    saved: { clockOffset: 0, state: service.state },
    invoke: (invocation) => {
      hasBegun();
      return lambda.invoke(invocation);
    },
  });
  lambda.worksOn(later);
  later.start();
  await beginning;
  await later.idle();
  expect(lambda.steps).toEqual(STEPS);
  await later.close();
});

test('after a restart with a system clock that was set back, no date goes backwards', async () => {
  const { service, rotate } = await scene();
  await rotate();
  await service.idle();
  const before = await service.call('DescribeSecret', { SecretId: 'key' });
  const lambda = new SimpleLambda();
  const later = new LocalSecretsManager({
    realNow: () => Date.now() - 86_400_000,
    saved: { clockOffset: service.clock.offset, state: service.state },
    invoke: lambda.invoke,
  });
  lambda.worksOn(later);
  later.start();
  await later.call('RotateSecret', { SecretId: 'key', ClientRequestToken: 't'.repeat(32) });
  await later.idle();
  const after = await later.call('DescribeSecret', { SecretId: 'key' });
  for (const date of ['LastChangedDate', 'LastRotatedDate', 'NextRotationDate']) {
    expect(Number(after[date])).toBeGreaterThanOrEqual(Number(before[date]));
  }
  const dates = Object.values(later.state.secrets)
    .flatMap(({ versions }) => Object.values(versions))
    .map(({ createdDate }) => createdDate);
  expect(dates).toEqual([...dates].sort((one, other) => one - other));
  await later.close();
});

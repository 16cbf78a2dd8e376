import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { LambdaError, type Invocation, type Invoke } from '../../../src/local/lambda/lambda-interface.ts';
import { lambdaProcess, type LambdaProcessOptions } from '../../../src/local/lambda/lambda-process.ts';

const RUNNER = join(__dirname, '../../../src/local/lambda/lambda-runner.mjs');
const BUNDLE = join(__dirname, '../support/obedient-lambda.mjs');
const YEAR = 365 * 86_400_000;

function lambda(options: Partial<LambdaProcessOptions>): Invoke {
  return lambdaProcess({
    bundle: BUNDLE,
    runner: RUNNER,
    endpoint: () => 'http://127.0.0.1:1',
    region: 'eu-west-1',
    clockOffset: () => 0,
    ...options,
  });
}

function invocation(event: object, signal: AbortSignal): Invocation {
  return {
    event,
    functionArn: 'arn:aws:lambda:us-east-1:123456789012:function:rotate',
    secretArn: 'arn:of:secret',
    kind: 'wait',
    signal,
  };
}

function run(event: object, options: Partial<LambdaProcessOptions> = {}, signal = new AbortController().signal) {
  return lambda(options)(invocation(event, signal));
}

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

describe('a Lambda in a process of its own', () => {
  test('gets its event and answers with its result', async () => {
    await expect(run({ a: ['b'] })).resolves.toEqual({ a: ['b'] });
  });

  test('lives at the time of the service', async () => {
    const told = await run({ do: 'tell' }, { clockOffset: () => YEAR });
    expect(told).toMatchObject({ given: '1970-01-01T00:00:00.000Z', isDate: true });
    const { date, newDate } = told as { date: number; newDate: string };
    expect(date - Date.now()).toBeGreaterThan(YEAR - 600_000);
    expect(Date.parse(newDate) - date).toBeLessThan(600_000);
  });

  test('has the environment and the context that Lambda gives, and nothing of its parent', async () => {
    process.env['SOMETHING_OF_THE_PARENT'] = 'yes';
    const told = await run({ do: 'tell' }, { environment: { KEY_NAME: 'a' }, timeout: 600_000 });
    delete process.env['SOMETHING_OF_THE_PARENT'];
    expect(told).toMatchObject({
      sees: {
        argv: [],
        env: {
          AWS_ENDPOINT_URL_SECRETS_MANAGER: 'http://127.0.0.1:1',
          AWS_REGION: 'eu-west-1',
          AWS_ACCESS_KEY_ID: 'LOCALROTATIONLAMBDA',
          AWS_LAMBDA_FUNCTION_NAME: 'rotate',
          SECRET_ARN: 'arn:of:secret',
          KEY_NAME: 'a',
        },
      },
      context: { functionName: 'rotate', memoryLimitInMB: '256', awsRequestId: expect.stringMatching(/-/) as unknown },
    });
    expect(told).not.toHaveProperty('sees.env.SOMETHING_OF_THE_PARENT');
    expect(told).not.toHaveProperty('sees.env.NODE_CHANNEL_FD');
    const { remaining } = told as { remaining: number };
    expect(remaining).toBeGreaterThan(1000);
    expect(remaining).toBeLessThanOrEqual(600_000);
  });

  test('writes its log where it is told, line by line', async () => {
    const lines: string[] = [];
    await expect(run({ do: 'log' }, { log: (line) => lines.push(line) })).resolves.toBeNull();
    expect(lines.sort()).toEqual(['second', '{"message":"first"}']);
  });

  test('fails as Lambda says that it failed', async () => {
    const failed = run({ do: 'throw', message: 'no' });
    await expect(failed).rejects.toBeInstanceOf(LambdaError);
    await expect(failed).rejects.toMatchObject({
      errorType: 'TypeError',
      message: 'no',
      trace: expect.arrayContaining(['TypeError: no']) as unknown,
    });
    await expect(run({ do: 'exit' })).rejects.toMatchObject({
      errorType: 'Runtime.ExitError',
      message: expect.stringContaining('exit status 3') as unknown,
    });
  });

  test('is killed when its time is up', async () => {
    await expect(run({ do: 'hang' }, { timeout: 300 })).rejects.toMatchObject({
      errorType: 'Sandbox.Timedout',
      message: expect.stringMatching(/Task timed out after 0\.30 seconds$/) as unknown,
    });
  });

  test('ends with its answer, whatever it left running', async () => {
    await expect(run({ do: 'keep-a-timer' })).resolves.toBe('done');
  });

  test('is killed when the service closes', async () => {
    const closing = new AbortController();
    const hanging = run({ do: 'hang' }, {}, closing.signal);
    closing.abort();
    await expect(hanging).rejects.toMatchObject({ errorType: 'Local.Closing' });
  });

  test('without a bundle or a handler says which is missing', async () => {
    await expect(run({}, { bundle: join(__dirname, 'nowhere.mjs') })).rejects.toThrow('nowhere.mjs');
    await expect(run({}, { bundle: RUNNER })).rejects.toMatchObject({ errorType: 'Runtime.HandlerNotFound' });
  });

  test('kept warm is one process at the time of the service, and another after a failure or beside a call', async () => {
    const closing = new AbortController();
    let clockOffset = 0;
    const invoke = lambda({ isKeptWarm: true, clockOffset: () => clockOffset });
    const tell = async () =>
      (await invoke(invocation({ do: 'tell' }, closing.signal))) as { pid: number; date: number };
    const first = await tell();
    clockOffset = YEAR;
    const second = await tell();
    expect(second.pid).toBe(first.pid);
    expect(second.date - first.date).toBeGreaterThanOrEqual(YEAR);
    const [one, other] = await Promise.all([tell(), tell()]);
    expect(one.pid).not.toBe(other.pid);
    await expect(invoke(invocation({ do: 'exit' }, closing.signal))).rejects.toMatchObject({
      errorType: 'Runtime.ExitError',
    });
    expect([one.pid, other.pid]).toContain((await tell()).pid);
    closing.abort();
    // Jest's time limit fails the test if they stay.
    while ([one.pid, other.pid].some(isRunning)) await pause(10);
  });
});

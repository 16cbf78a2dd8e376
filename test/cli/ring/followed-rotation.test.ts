import {
  CloudWatchLogsClient,
  CloudWatchLogsServiceException,
  FilterLogEventsCommand,
} from '@aws-sdk/client-cloudwatch-logs';
import { GetFunctionConfigurationCommand, LambdaClient, LambdaServiceException } from '@aws-sdk/client-lambda';
import { CreateSecretCommand, RotateSecretCommand } from '@aws-sdk/client-secrets-manager';
import { mockClient } from 'aws-sdk-client-mock';
import { randomBytes, randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { run } from '../../../src/cli/run.ts';
import { builtPrograms } from '../../support/built.ts';
import { startService, stopServices, type RunningService } from '../../local/support/running-service.ts';
import { LAMBDA_ARN } from '../../local/support/simple-lambda.ts';
import { current, keyOf, ringWith, SECRET, type TestRing } from '../../support/ring.ts';
import { giveCredentials, pazpazKeys, type Ran } from '../support/operator.ts';

/*
 * `rotate --wait` with the log of the function. What the built function prints is the log where its format matters;
 * elsewhere the ring's own function, in this process, fills it.
 */

const GROUP = 'pazpaz-KeyRotationLogGroup-1A2B3C';

const lambda = mockClient(LambdaClient);
const logs = mockClient(CloudWatchLogsClient);

let programs: string;
let printed: string[];

beforeAll(async () => {
  giveCredentials();
  programs = await builtPrograms();
});
beforeEach(() => {
  printed = [];
  lambda.reset().onAnyCommand().callsFake(unexpected);
  logs.reset().onAnyCommand().callsFake(unexpected);
  lambda
    .on(GetFunctionConfigurationCommand, { FunctionName: LAMBDA_ARN }, true)
    .resolves({ FunctionName: 'PazPazKeyRotation', LoggingConfig: { LogGroup: GROUP } });
  logs.on(FilterLogEventsCommand, { logGroupName: GROUP }).callsFake(() => ({
    events: printed.map((message, index) => ({ eventId: String(index), message })),
  }));
});
afterEach(stopServices);
afterAll(() => {
  lambda.restore();
  logs.restore();
});

function unexpected(input: unknown): never {
  throw new Error(`no one expects ${JSON.stringify(input)}`);
}

const ENVIRONMENT = {
  AWS_ENDPOINT_URL_LAMBDA: 'http://lambda.test',
  AWS_ENDPOINT_URL_CLOUDWATCH_LOGS: 'http://logs.test',
};

describe('rotate --wait beside the built function', () => {
  /** A secret with this value, on which rotation is on. */
  async function secretWith(value: string): Promise<RunningService> {
    const running = await startService({
      tries: 1,
      notices: false,
      lambda: {
        bundle: join(programs, 'lambda/handler.js'),
        runner: 'src/local/lambda/lambda-runner.mjs',
        log: (line) => printed.push(line),
      },
    });
    const { client, service } = running;
    await client.send(new CreateSecretCommand({ Name: SECRET, SecretString: value }));
    const rules = { RotationLambdaARN: LAMBDA_ARN, RotationRules: { AutomaticallyAfterDays: 365 } };
    await client.send(new RotateSecretCommand({ SecretId: SECRET, ...rules }));
    await service.idle();
    return running;
  }

  /** A pause lasts until the rotation does nothing any more. */
  async function rotate({ url, service }: RunningService): Promise<Ran> {
    const out = { stdout: '', stderr: '' };
    const started = service.clock.now();
    let slept = 0;
    const args = ['rotate', '--wait', '--timeout', '2', '--endpoint-url', url];
    const exitCode = await run(['node', 'pazpaz-keys', ...args], {
      environment: { SECRETS_MANAGER_KEY_NAME: SECRET, AWS_REGION: 'us-east-1', ...ENVIRONMENT },
      stdout: { write: (text) => (out.stdout += text) },
      stderr: { write: (text) => (out.stderr += text) },
      stdin: Readable.from([]),
      ask: () => Promise.resolve(''),
      now: () => new Date(started + slept),
      sleep: async (milliseconds) => {
        slept += milliseconds;
        await service.idle();
      },
      randomKey: () => randomBytes(32),
      newVersionId: randomUUID,
    });
    return { exitCode, ...out };
  }

  test('says each step that it logs, of this rotation only', async () => {
    const { exitCode, stdout, stderr } = await rotate(await secretWith(keyOf(1).toString('base64')));
    expect(exitCode).toBe(0);
    const said = stderr.split('\n').filter((line) => /^- \w+Secret /.test(line));
    const steps = ['createSecret', 'setSecret', 'testSecret', 'finishSecret'];
    expect(said).toEqual(steps.flatMap((step) => [`- ${step} started`, `- ${step} finished`]));
    expect(stderr).toContain('- the new version is current\n');
    expect(stdout).toContain('Now key 3 is current.');
    // The first rotation printed its own, and they were there to be read.
    expect(printed.filter((line) => line.includes('rotation_step_started'))).toHaveLength(8);
  });

  test('says at which step it failed, and why', async () => {
    const running = await secretWith(keyOf(1).toString('base64'));
    running.service.faults.set({
      operation: 'PutSecretValue',
      kind: 'error',
      type: 'AccessDeniedException',
      status: 400,
    });
    const { exitCode, stderr } = await rotate(running);
    expect(exitCode).toBe(1);
    const flat = stderr.replace(/\s+/g, ' ');
    const why = 'AWS_REFUSED: Secrets Manager did not accept PutSecretValue';
    expect(flat).toContain(`- createSecret failed: ${why}`);
    expect(flat).toContain(`Its last failure: createSecret failed: ${why}`);
  });
});

describe('rotate --wait', () => {
  async function readyRing(): Promise<TestRing> {
    const ring = await ringWith(current(1));
    await ring.enableRotation();
    return ring;
  }

  /** What the ring's function has logged so far, spelled as the built one spells it. */
  const eventsOf = ({ log }: TestRing) =>
    log.map((fields, index) => ({ eventId: String(index), message: JSON.stringify(fields) }));

  const rotate = (ring: TestRing, ...args: readonly string[]) =>
    pazpazKeys(ring, ['rotate', '--wait', ...args], { environment: ENVIRONMENT });

  test('asks for the log from shortly before the rotation on', async () => {
    const ring = await readyRing();
    logs.on(FilterLogEventsCommand, { logGroupName: GROUP }).callsFake(() => ({ events: eventsOf(ring) }));
    const before = ring.service.clock.now();
    await rotate(ring);
    const after = ring.service.clock.now();
    const [call] = logs.commandCalls(FilterLogEventsCommand);
    const { startTime = 0 } = call?.args[0].input ?? {};
    expect(startTime).toBeGreaterThanOrEqual(before - 120_000);
    expect(startTime).toBeLessThanOrEqual(after - 120_000);
  });

  test('waits a few looks for lines that the log shows late', async () => {
    const ring = await readyRing();
    let looks = 0;
    logs.on(FilterLogEventsCommand, { logGroupName: GROUP }).callsFake(() => {
      looks += 1;
      return looks < 5 ? {} : { events: eventsOf(ring) };
    });
    const { stderr } = await rotate(ring);
    expect(stderr).toContain('- finishSecret finished\n- the new version is current\n');
    expect(looks).toBe(5);
  });

  test('ends where the log shows nothing at all', async () => {
    logs.on(FilterLogEventsCommand, { logGroupName: GROUP }).resolves({});
    const { exitCode, stdout, stderr } = await rotate(await readyRing());
    expect({ exitCode, stderr: stderr.includes('Secret ') }).toEqual({ exitCode: 0, stderr: false });
    expect(stdout).toContain('Now key 2 is current.');
  });

  const denied = { name: 'AccessDeniedException', $fault: 'client', $metadata: {} } as const;

  test('goes on without a log that may not be read, and says so once', async () => {
    logs.on(FilterLogEventsCommand).rejects(new CloudWatchLogsServiceException(denied));
    const { exitCode, stderr } = await rotate(await readyRing());
    expect(exitCode).toBe(0);
    const said = "- The function's log is not shown: logs:FilterLogEvents: AccessDeniedException.\n";
    expect(stderr.split(said)).toHaveLength(2);
  });

  test('goes on without the log where Lambda does not tell of the function, or has none', async () => {
    const ring = await readyRing();
    for (const name of ['AccessDeniedException', 'ResourceNotFoundException']) {
      lambda.on(GetFunctionConfigurationCommand).rejects(new LambdaServiceException({ ...denied, name }));
      const { exitCode, stderr } = await rotate(ring);
      expect(exitCode).toBe(0);
      expect(stderr).toContain("- The function's log is not shown: ");
    }
    expect(logs.calls()).toEqual([]);
  });

  test('asks AWS for nothing where Secrets Manager is a local one', async () => {
    const { exitCode, stderr } = await pazpazKeys(await readyRing(), ['rotate', '--wait']);
    expect(exitCode).toBe(0);
    expect(stderr).toContain("this endpoint is not AWS's own (127.0.0.1)");
    expect([...lambda.calls(), ...logs.calls()]).toEqual([]);
  });

  test('puts with --json into the warnings that the log was not followed, and nothing on standard error', async () => {
    logs.on(FilterLogEventsCommand).rejects(new CloudWatchLogsServiceException(denied));
    const { stdout, stderr } = await rotate(await readyRing(), '--json');
    expect(stderr).toBe('');
    expect(JSON.parse(stdout)).toMatchObject({
      result: { keyNumber: 2 },
      warnings: ["The function's log is not shown: logs:FilterLogEvents: AccessDeniedException."],
    });
  });
});

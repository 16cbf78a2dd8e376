import {
  CreateSecretCommand,
  PutSecretValueCommand,
  RotateSecretCommand,
  UpdateSecretVersionStageCommand,
} from '@aws-sdk/client-secrets-manager';
import { createHash, randomBytes, randomUUID } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { isJsonObject } from '../../src/local/json.ts';
import type { Invocation } from '../../src/local/lambda/lambda-interface.ts';
import { STEPS } from '../../src/steps/rotation-request.ts';
import { emptyFolder } from '../bundle/support/built-lambda.ts';
import { startService, stopServices, type RunningService } from '../local/support/running-service.ts';
import { LAMBDA_ARN } from '../local/support/simple-lambda.ts';
import { token } from '../local/support/state-machine.ts';
import { builtPrograms } from '../support/built.ts';
import { OverheardLambda } from '../support/captured-output.ts';
import { SECRET } from '../support/ring.ts';
import { Eavesdropper, spellings } from './support/secret-notation.ts';

let folder: Awaited<ReturnType<typeof emptyFolder>>;
let bundle: string;

beforeAll(async () => {
  folder = await emptyFolder();
  bundle = join(await builtPrograms(), 'lambda/handler.js');
});

const lambdas: OverheardLambda[] = [];

afterEach(async () => {
  await Promise.all(lambdas.splice(0).map((lambda) => lambda.end()));
  await stopServices();
});

afterAll(() => folder.remove());

/** Every switch of the logger, of the SDK and of Node that makes any of them talk. */
const TALKATIVE = {
  POWERTOOLS_LOG_LEVEL: 'TRACE',
  LOG_LEVEL: 'TRACE',
  AWS_LAMBDA_LOG_LEVEL: 'TRACE',
  AWS_LAMBDA_LOG_FORMAT: 'JSON',
  POWERTOOLS_LOGGER_LOG_EVENT: 'true',
  POWERTOOLS_LOGGER_SAMPLE_RATE: '1',
  POWERTOOLS_DEV: 'true',
  POWERTOOLS_TRACE_ENABLED: 'true',
  AWS_XRAY_DEBUG_MODE: 'TRUE',
  _X_AMZN_TRACE_ID: 'Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=1',
  DEBUG: '*',
  NODE_ENV: 'development',
  NODE_DEBUG_NATIVE: 'TCPWRAP,TCPCONNECTWRAP,HTTPINCOMINGMESSAGE,HTTPCLIENTREQUEST,TLSWRAP,STREAM,WRITEWRAP,CRYPTO',
  NODE_OPTIONS: '--trace-warnings --trace-uncaught --trace-deprecation',
};

const SWITCHES: readonly (readonly [string, Readonly<Record<string, string>>])[] = [
  ['every switch set', TALKATIVE],
  ['every switch set and no developer mode', { ...TALKATIVE, POWERTOOLS_DEV: 'false', AWS_LAMBDA_LOG_FORMAT: 'Text' }],
];

/** A secret that the bundle rotates, and a listener for everything in it that must not be heard. */
class Scene {
  readonly ears = new Eavesdropper();
  readonly codes: string[] = [];
  readonly #service: RunningService;
  readonly lambda: OverheardLambda;
  #arn = SECRET;

  private constructor(service: RunningService, lambda: OverheardLambda) {
    this.#service = service;
    this.lambda = lambda;
  }

  static async start(runs: string, environment: Readonly<Record<string, string>>, value?: string): Promise<Scene> {
    const service = await startService({ tries: 1, notices: false, lambda: (invocation) => scene.#invoke(invocation) });
    const lambda = new OverheardLambda(runs, service.url, environment);
    lambdas.push(lambda);
    const scene: Scene = new Scene(service, lambda);
    const key = randomBytes(32);
    scene.ears.key(key, 'key 1');
    const SecretString = value ?? key.toString('base64');
    const input = { Name: SECRET, ClientRequestToken: token(1), SecretString };
    scene.#arn = (await service.client.send(new CreateSecretCommand(input))).ARN ?? SECRET;
    return scene;
  }

  get client(): RunningService['client'] {
    return this.#service.client;
  }

  get service(): RunningService['service'] {
    return this.#service.service;
  }

  get printed(): string {
    return this.lambda.printed;
  }

  async rotate(id: string, input: { RotateImmediately?: boolean } = {}): Promise<void> {
    const rotation = { SecretId: SECRET, ClientRequestToken: id, RotationLambdaARN: LAMBDA_ARN, ...input };
    await this.client.send(new RotateSecretCommand(rotation)).catch(() => undefined);
    await this.service.idle();
  }

  async step(step: unknown, id: string, fields: object = {}): Promise<void> {
    const event = { Step: step, SecretId: this.#arn, ClientRequestToken: id, RotationToken: randomUUID(), ...fields };
    await this.send(event);
  }

  async send(event: unknown): Promise<void> {
    await this.#invoke({ event, secretArn: this.#arn }).catch(() => undefined);
  }

  /** What of the values that the secret has ever had, and of the RotationTokens, was printed. */
  async heard(): Promise<readonly string[]> {
    await this.lambda.end();
    return this.ears.hears(this.printed);
  }

  async #invoke(invocation: Pick<Invocation, 'event' | 'secretArn'>): Promise<null> {
    const { event } = invocation;
    const rotationToken = isJsonObject(event) ? event['RotationToken'] : undefined;
    if (typeof rotationToken === 'string') this.ears.text(rotationToken, 'a RotationToken');
    try {
      return await this.lambda.invoke(invocation);
    } catch (error) {
      this.codes.push(isJsonObject(error) ? String(error['errorType']) : 'no answer');
      throw error;
    } finally {
      this.#listenForValues();
    }
  }

  #listenForValues(): void {
    for (const { versions } of Object.values(this.service.state.secrets)) {
      for (const [id, { value }] of Object.entries(versions)) {
        const words = value?.kind === 'string' ? value.text.match(/[A-Za-z0-9+/=-]{20,}/g) : [];
        for (const word of words ?? [])
          this.ears.text(word, `the text of ${id}`).key(bytesOf(word), `the key of ${id}`);
      }
    }
  }
}

const bytesOf = (base64: string) => Buffer.from(base64, 'base64');

const put = (id: string, SecretString: string, stages: readonly string[]) =>
  new PutSecretValueCommand({ SecretId: SECRET, ClientRequestToken: id, SecretString, VersionStages: [...stages] });

const fault = (operation: string, type: string) => ({ kind: 'error' as const, operation, type });

/** Everything that makes a step or an adoption fail, one after the other on one secret. */
async function failInEveryWay(scene: Scene): Promise<void> {
  const { client, service } = scene;
  const events = [null, 'text', { RotationToken: randomUUID() }, { Step: randomUUID(), RotationToken: randomUUID() }];
  for (const event of events) await scene.send(event);
  await scene.step('createSecret', token(2));
  await scene.rotate(token(2), { RotateImmediately: false });
  for (const RotationToken of [`${randomUUID()} with blanks`.padEnd(257), randomUUID().slice(1), { a: randomUUID() }]) {
    await scene.step('createSecret', token(1), { RotationToken });
  }
  await scene.step('createSecret', 'too short');
  await scene.step('createSecret', token(99));
  await scene.step('createSecret', token(1), { SecretId: 'no/such/secret' });

  // A test run that failed leaves a copy of the current key.
  service.faults.set(fault('DescribeSecret', 'ValidationException'));
  await scene.rotate(token(3), { RotateImmediately: false });
  service.faults.clear();
  await scene.rotate(token(3));
  const detach = { SecretId: SECRET, VersionStage: 'AWSPENDING', RemoveFromVersionId: token(3) };
  await client.send(new UpdateSecretVersionStageCommand(detach));
  await scene.step('finishSecret', token(3));

  for (const broken of [
    fault('PutSecretValue', 'EncryptionFailure'),
    fault('GetSecretValue', 'DecryptionFailure'),
    fault('UpdateSecretVersionStage', 'InvalidParameterException'),
    fault('UpdateSecretVersionStage', 'LimitExceededException'),
    { kind: 'drop' as const, operation: 'PutSecretValue', when: 'after' as const },
    { kind: 'drop' as const, operation: 'GetSecretValue' },
  ]) {
    service.faults.set(broken);
    await scene.rotate(token(4));
    service.faults.clear();
  }
  service.faults.set({ kind: 'delay', operation: 'DescribeSecret', milliseconds: 400 });
  scene.lambda.remaining = 1600;
  await scene.rotate(token(4));
  service.faults.clear();
  scene.lambda.remaining = 30_000;
  for (const step of STEPS) await scene.step(step, token(4));

  // Values that are no key, though a key stands in each.
  const bytes = randomBytes(32);
  const key = bytes.toString('base64');
  scene.ears.key(bytes, 'a key in an invalid value');
  const values = [key.slice(0, 32), `${key}!`, `{"encryption_key":"${key}","encryption_key":"${key}"}`, `{"a":"${key}`];
  for (const [index, value] of values.entries()) {
    await client.send(put(token(20 + index), value, ['AWSCURRENT']));
    await scene.rotate(token(40 + index));
    await scene.send({ 'detail-type': 'Scheduled Event' });
  }
  await client.send(put(token(30), randomBytes(32).toString('base64'), ['AWSCURRENT']));
  await client.send(put(token(31), values[0] ?? '', ['key-v77']));
  await scene.rotate(token(50));
  await scene.step('testSecret', token(31));
}

describe.each(SWITCHES)('with %s', (_, environment) => {
  test('rotations and adoptions that succeed print no key and no RotationToken', async () => {
    const scene = await Scene.start(bundle, environment);
    for (const id of [2, 3]) await scene.rotate(token(id));
    await scene.send({ 'detail-type': 'Scheduled Event', detail: {} });
    expect(scene.codes).toEqual([]);
    expect(scene.printed).toContain('key_promoted');
    expect(scene.printed).toContain('key_ring_state');
    expect(await scene.heard()).toEqual([]);
  });

  test('a secret in JSON prints none of its members', async () => {
    const other = randomUUID();
    const value = JSON.stringify({ password: other, encryption_key: randomBytes(32).toString('base64') });
    const scene = await Scene.start(bundle, environment, value);
    scene.ears.text(other, 'another member');
    await scene.rotate(token(2));
    expect(scene.codes).toEqual([]);
    expect(await scene.heard()).toEqual([]);
  });

  test('steps and adoptions that fail print none either, nor do their errors', async () => {
    const scene = await Scene.start(bundle, environment);
    await failInEveryWay(scene);
    expect([...new Set(scene.codes)].sort()).toEqual([
      ...[
        'AWS_REFUSED',
        'CANNOT_REACH_AWS',
        'INVALID_EVENT',
        'INVALID_KEY_VALUE',
        'LABEL_CONFLICT',
        'NOT_A_ROTATION_EVENT',
      ],
      ...[
        'NOT_PENDING',
        'PENDING_NOT_FRESH',
        'RING_FULL',
        'RING_KEY_UNREADABLE',
        'ROTATION_DISABLED',
        'SECRET_NOT_FOUND',
      ],
      ...['UNKNOWN_STEP', 'UNKNOWN_TOKEN', 'VERSION_UNREADABLE'],
    ]);
    expect(await scene.heard()).toEqual([]);
  });
});

describe('with NODE_DEBUG, under which Node prints what it receives', () => {
  test.each(['*', 'stream', 'http,net'])('set to %s the Lambda refuses to read anything', async (NODE_DEBUG) => {
    const scene = await Scene.start(bundle, { ...TALKATIVE, NODE_DEBUG });
    await scene.rotate(token(2));
    await scene.send({ 'detail-type': 'Scheduled Event' });
    expect(scene.codes).toEqual(['INVALID_SETTINGS', 'INVALID_SETTINGS']);
    expect(scene.service.calls.calls.filter(({ by }) => by === 'lambda')).toEqual([]);
    expect(await scene.heard()).toEqual([]);
  });
});

describe('the search', () => {
  // Not random: read as UTF-8, most keys are half U+FFFD, and two of them may share a run of it.
  const [key, otherKey] = [1, 2].map((byte) => createHash('sha256').update(Buffer.of(byte)).digest()) as [
    Buffer,
    Buffer,
  ];

  test.each(Object.entries(spellings(key)))('finds a key as %s', (_, spelt) => {
    const printed = `{"level":"INFO","message":"${randomUUID()} ${spelt} ${randomUUID()}"}`;
    expect(new Eavesdropper().key(key, 'the key').hears(printed)).not.toEqual([]);
  });

  test.each([
    ['an error', inspect(new Error('no', { cause: { key } }))],
    ['JSON in JSON', JSON.stringify(JSON.stringify({ key }))],
    ['an array over several lines', inspect([...key], { breakLength: 20 })],
    ['indented JSON', JSON.stringify({ key }, null, 4)],
    ['half of it', key.toString('base64').slice(0, 22)],
    ['the bytes of its text', inspect(Buffer.from(key.toString('base64')))],
  ])('finds it in %s', (_, printed) => {
    expect(new Eavesdropper().key(key, 'the key').hears(printed)).not.toEqual([]);
  });

  test('does not find what is not there', () => {
    const printed = Object.values(spellings(otherKey)).join('\n');
    expect(new Eavesdropper().key(key, 'the key').hears(printed)).toEqual([]);
  });

  test('finds what a Lambda gives away, in its log or in its error', async () => {
    const leaking = join(folder.path, 'leaking.cjs');
    await writeFile(leaking, `exports.handler = async (event) => { console.log(event); };`);
    const throwing = join(folder.path, 'throwing.cjs');
    await writeFile(throwing, `exports.handler = async (event) => { throw new Error('no', { cause: event }); };`);
    for (const runs of [leaking, throwing]) {
      const scene = await Scene.start(runs, {});
      await scene.step('createSecret', token(2));
      expect(await scene.heard()).toEqual(['a RotationToken as raw bytes as UTF-8']);
      await stopServices();
    }
  });
});

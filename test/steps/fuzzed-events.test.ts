import { handle, type HandlerDependencies } from '../../src/steps/handle.ts';
import { isKeyRotationError } from '../../src/format/error.ts';
import type { SecretsManager } from '../../src/secret/dependencies.ts';
import { numbersFrom } from '../explore/support/scenarios/random-scenario.ts';

/** `EVENTS=100000 SEED=7 npx jest test/steps/fuzzed-events` makes a deep run. */
const EVENTS = Number(process.env['EVENTS'] ?? 3000);
const SEED = Number(process.env['SEED'] ?? 20261129);

const random = numbersFrom(SEED);
const oneOf = <T>(values: readonly T[]): T => values[Math.floor(random() * values.length)] as T;

const TOKEN = '11111111-1111-4111-8111-111111111111';
const ARN = 'arn:aws:secretsmanager:us-east-1:123456789012:secret:pazpaz/encryption-key-v1-AbCdEf';
const STEPS = ['createSecret', 'setSecret', 'testSecret', 'finishSecret'];

/** Anything that JSON can hold, and what it cannot. */
function anything(depth: number): unknown {
  const scalars = [
    null,
    undefined,
    true,
    false,
    0,
    -1,
    2 ** 53,
    NaN,
    '',
    'a',
    '\ud800',
    '__proto__',
    TOKEN,
    ARN,
    ...STEPS,
  ];
  if (depth === 0 || random() < 0.5)
    return oneOf<unknown>([...scalars, 'x'.repeat(Math.floor(random() * 3000)), Symbol.iterator, 7n]);
  if (random() < 0.3) return Array.from({ length: Math.floor(random() * 4) }, () => anything(depth - 1));
  return object(depth);
}

function object(depth: number): Record<string, unknown> {
  const names = [
    'Step',
    'SecretId',
    'ClientRequestToken',
    'RotationToken',
    'detail-type',
    'detail',
    'source',
    'x',
    '__proto__',
  ];
  const made: Record<string, unknown> = random() < 0.1 ? (Object.create(null) as Record<string, unknown>) : {};
  for (let count = Math.floor(random() * 6); count > 0; count -= 1) made[oneOf(names)] = anything(depth - 1);
  return made;
}

/** An event that is nearly right: one or two of its members are not. */
function nearlyRight(): Record<string, unknown> {
  const event: Record<string, unknown> = { Step: oneOf(STEPS), SecretId: ARN, ClientRequestToken: TOKEN };
  for (let count = 1 + Math.floor(random() * 2); count > 0; count -= 1) {
    const name = oneOf(['Step', 'SecretId', 'ClientRequestToken', 'RotationToken', 'detail-type']);
    if (random() < 0.2) Reflect.deleteProperty(event, name);
    else event[name] = anything(1);
  }
  return event;
}

/** A secret that is described and read in any way, on which nothing is left to write. */
function strangeSecret(writes: string[]): SecretsManager {
  const stages = () =>
    oneOf<unknown>([
      undefined,
      {},
      { [TOKEN]: ['AWSCURRENT', 'key-v1'] },
      { [TOKEN]: [] },
      { other: ['AWSCURRENT', 'key-v1'], [TOKEN]: ['AWSPREVIOUS', 'key-v2'] },
      { other: ['AWSCURRENT', 'key-v1'] },
    ]);
  const write = (name: string) => () => {
    writes.push(name);
    return Promise.resolve({});
  };
  const answers: Record<string, () => Promise<unknown>> = {
    describeSecret: () =>
      Promise.resolve({ ARN, RotationEnabled: oneOf([true, false, undefined]), VersionIdsToStages: stages() }),
    getSecretValue: () =>
      random() < 0.5
        ? Promise.reject(Object.assign(new Error('no'), { name: 'ResourceNotFoundException', $fault: 'client' }))
        : Promise.resolve({ SecretString: 'no key' }),
  };
  return new Proxy({}, { get: (_, name) => answers[String(name)] ?? write(String(name)) }) as SecretsManager;
}

test(`${EVENTS} events of any shape cause no write, and no error without a code (seed ${SEED})`, async () => {
  const codes = new Map<string, number>();
  let logged = '';
  for (let count = 0; count < EVENTS; count += 1) {
    const writes: string[] = [];
    const event = oneOf([() => anything(3), () => object(3), nearlyRight, nearlyRight])();
    const deps: HandlerDependencies = {
      secrets: strangeSecret(writes),
      log: (name, fields = {}) => {
        logged = `${name} ${Object.values(fields).map(String).join(' ')}`;
      },
      randomKey: () => Buffer.alloc(32, 7),
      now: () => new Date(0),
      sleep: () => Promise.resolve(),
      remainingTime: () => 30_000,
      proven: new Set(),
      secretArn: oneOf([ARN, '', undefined]),
    };
    const outcome: unknown = await handle(deps, event).catch((error: unknown) => error);
    expect([count, writes]).toEqual([count, []]);
    if (outcome !== undefined && !isKeyRotationError(outcome))
      throw new Error(`event ${count} of seed ${SEED}`, { cause: outcome });
    const code = outcome === undefined ? 'nothing to do' : (outcome as { code: string }).code;
    codes.set(code, (codes.get(code) ?? 0) + 1);
    expect(logged.length).toBeLessThan(10_000);
  }
  // The events reach these ends.
  expect([...codes.keys()]).toEqual(
    expect.arrayContaining([
      'NOT_A_ROTATION_EVENT',
      'UNKNOWN_STEP',
      'INVALID_EVENT',
      'NO_SECRET_CONFIGURED',
      'NOT_PENDING',
    ]),
  );
});

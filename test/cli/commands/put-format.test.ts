import { CreateSecretCommand } from '@aws-sdk/client-secrets-manager';
import { stopServices } from '../../local/support/running-service.ts';
import { current, holding, keyOf, previous, ringWith, type RingVersion, type TestRing } from '../../support/ring.ts';
import { giveCredentials, pazpazKeys, type Surroundings } from '../support/operator.ts';

beforeAll(giveCredentials);
afterEach(stopServices);

const KEY = keyOf(9).toString('base64');

function jsonOf(place: number, others: object): string {
  return JSON.stringify({ encryption_key: keyOf(place).toString('base64'), ...others });
}

const OWNER = { owner: 'clinic', created_at: '2020-01-01T00:00:00Z', expires_at: '2021-01-01T00:00:00Z' };
const inJson = (version: RingVersion) => holding(jsonOf(1, OWNER), version);

async function put(ring: TestRing, args: readonly string[], around: Surroundings = {}): Promise<void> {
  expect(await pazpazKeys(ring, ['put', ...args], around)).toMatchObject({ exitCode: 0 });
}

/** The members of a value in JSON, the key by whether it is this one. */
function membersOf(ring: TestRing, place: number): Readonly<Record<string, unknown>> {
  return JSON.parse(ring.valueOf(place)) as Readonly<Record<string, unknown>>;
}

describe('put stores a key as the current one is stored', () => {
  test.each<[string, readonly string[], Surroundings]>([
    ['--generate', ['--generate', '--yes'], {}],
    ['standard input', ['--yes'], { stdin: KEY }],
    ['an environment variable', ['--yes', '--from-env', 'K'], { environment: { K: KEY } }],
    ['standard input, to read only', ['--not-current'], { stdin: KEY }],
    ['a JSON object of its own', ['--yes'], { stdin: jsonOf(9, { database_password: 'hunter2' }) }],
  ])('in JSON, the other members kept, from %s', async (_, args, around) => {
    const ring = await ringWith(inJson(current(1)));
    await put(ring, args, around);
    const { encryption_key: key, created_at: created, expires_at: expires, ...others } = membersOf(ring, 2);
    expect(others).toEqual({ owner: 'clinic' });
    if (!args.includes('--generate')) expect(key).toBe(KEY);
    expect(Buffer.from(String(key), 'base64')).toHaveLength(32);
    expect(Date.parse(String(created))).toBeGreaterThan(Date.parse(OWNER.created_at));
    expect(Date.parse(String(expires))).toBeGreaterThan(Date.parse(OWNER.expires_at));
  });

  test('as 32 bytes', async () => {
    const ring = await ringWith(holding(keyOf(1), current(1)));
    await put(ring, ['--yes'], { stdin: KEY });
    expect(ring.secret.versions[ring.idOf(2)]?.value).toEqual({ kind: 'binary', base64: KEY });
  });

  test('as the key before, where the current value is none', async () => {
    const ring = await ringWith(inJson(previous(1)), holding('no key', current()));
    await put(ring, ['--yes'], { stdin: KEY });
    expect(membersOf(ring, 3)).toMatchObject({ owner: 'clinic', encryption_key: KEY });
  });

  test('as it was handed in, where the secret has none yet', async () => {
    const ring = await ringWith();
    await put(ring, ['--yes'], { stdin: jsonOf(9, { owner: 'other' }) });
    expect(membersOf(ring, 1)).toEqual({ owner: 'other', encryption_key: KEY });
  });
});

describe('put --from-secret', () => {
  test.each<[string, readonly (RingVersion | number)[], readonly string[]]>([
    ['a secret without a value', [], ['--yes']],
    ['a ring', [current(1)], ['--not-current']],
    ['a ring in JSON', [inJson(current(1))], ['--yes']],
  ])('takes the key into %s, and nothing else of that secret', async (_, versions, args) => {
    const ring = await ringWith(...versions);
    const SecretString = jsonOf(9, { database_password: 'hunter2' });
    await ring.client.send(new CreateSecretCommand({ Name: 'other', SecretString }));
    await put(ring, [...args, '--from-secret', 'other']);
    const stored = ring.valueOf(versions.length + 1);
    expect(stored).toContain(KEY);
    expect(stored).not.toContain('hunter2');
  });
});

describe('a key on standard input', () => {
  /** As `openssl rand 32` gives it. */
  const BYTES = Buffer.from('00ff10fe20fd30fc40fb50fa60f970f880f790f6a0f5b0f4c0f3d0f2e0f1f0ef', 'hex');

  test('may be 32 bytes', async () => {
    const ring = await ringWith(current(1));
    await put(ring, ['--yes'], { stdin: BYTES });
    expect(ring.valueOf(2)).toBe(BYTES.toString('base64'));
  });

  test.each<[string, Buffer]>([
    ['31 bytes', BYTES.subarray(1)],
    ['33 bytes', Buffer.concat([BYTES, Buffer.of(10)])],
    ['32 characters, such as half of a key in hexadecimal digits', Buffer.from(KEY.slice(0, 32))],
    ['nothing', Buffer.alloc(0)],
  ])('is refused if it is %s, in words that do not show it, and the secret is exactly as it was', async (_, stdin) => {
    const ring = await ringWith(current(1));
    const before = ring.snapshot;
    const { exitCode, stdout, stderr } = await pazpazKeys(ring, ['put', '--yes'], { stdin });
    expect({ exitCode, stdout }).toEqual({ exitCode: 1, stdout: '' });
    expect(stderr).toContain('INVALID_KEY_VALUE');
    expect(stderr).toContain('Standard input');
    if (stdin.length > 0) expect(stderr).not.toContain(stdin.toString('utf8'));
    expect(ring.snapshot).toBe(before);
  });
});

describe("put of the setup guide's example key, which everyone knows", () => {
  const EXAMPLE = 'rT8x9kp3QwE7yLmN2oA5vK1uG4hJ6fD9cB8sZ0tX3iY=';

  test.each([{}, { ENVIRONMENT: 'production' }, { ENVIRONMENT: 'staging' }])(
    'is refused with %p, whatever form it has, and nothing is written',
    async (environment) => {
      const ring = await ringWith(current(1));
      const before = ring.snapshot;
      for (const stdin of [EXAMPLE, `{"encryption_key":"${EXAMPLE}"}`, Buffer.from(EXAMPLE, 'base64')]) {
        const { exitCode, stderr } = await pazpazKeys(ring, ['put', '--yes'], { stdin, environment });
        expect(exitCode).toBe(1);
        expect(stderr).toContain('INVALID_KEY_VALUE\nThe given key is the example key of the setup guide');
        expect(stderr).toContain('--not-current');
      }
      expect(ring.snapshot).toBe(before);
    },
  );

  test('makes it current for local', async () => {
    const ring = await ringWith(current(1));
    await put(ring, ['--yes'], { stdin: EXAMPLE, environment: { ENVIRONMENT: 'local' } });
    expect(ring.labels).toMatchObject({ 2: 'AWSCURRENT key-v2' });
  });

  test('adds it to read what it has written', async () => {
    const ring = await ringWith(current(1));
    await put(ring, ['--not-current'], { stdin: EXAMPLE });
    expect(ring.labels).toEqual({ 1: 'AWSCURRENT key-v1', 2: 'key-v2' });
  });
});

import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build } from 'esbuild';
import { KeyMaterial } from '../../../src/format/key-material.ts';
import { KeyRing } from '../../../src/keyring/key-ring.ts';
import { stopServices, type RunningService } from '../../local/support/running-service.ts';
import { until } from '../../support/until.ts';
import { rejectionOf } from '../support/rejection-of.ts';
import { SECRET } from '../support/ring-world.ts';
import { closeServersInFront, serverInFrontOf } from '../support/server-in-front.ts';
import { closeRingsOverHttp, open, rowUnder, serviceWithKeys } from '../support/service-with-keys.ts';

const CREDENTIALS = { AWS_ACCESS_KEY_ID: 'test', AWS_SECRET_ACCESS_KEY: 'test' };

afterEach(async () => {
  closeRingsOverHttp();
  closeServersInFront();
  await stopServices();
});

test('500 concurrent decryptions of one uncached number cost one call', async () => {
  const { client, service } = await serviceWithKeys(2);
  const { ring } = await open(client);
  service.calls.clear();
  const row = rowUnder(1);
  const texts = await Promise.all(Array.from({ length: 500 }, () => ring.decryptField(row, 'a')));
  expect(new Set(texts)).toEqual(new Set(['note']));
  expect(service.calls.counts).toEqual({ GetSecretValue: 1 });
});

describe("the ring's own client", () => {
  const { env } = process;
  afterEach(() => {
    process.env = env;
    jest.restoreAllMocks();
  });

  test('asks again where a request gets no answer, within the time limit of the call', async () => {
    const { url } = await serviceWithKeys(1);
    let requests = 0;
    const front = await serverInFrontOf(url, () => {
      requests += 1;
      return requests === 1 ? { status: 0, body: '' } : undefined;
    });
    process.env = { ...env, ...CREDENTIALS, AWS_ENDPOINT_URL: front };
    const warn = jest.spyOn(console, 'warn');
    const ring = await KeyRing.open(
      { keySource: 'aws', environment: 'staging', region: 'us-east-1', secretId: SECRET, environmentKey: undefined },
      { callTimeLimit: 6000, logger: () => undefined },
    );
    expect(await ring.decryptField(ring.encryptField('note'))).toBe('note');
    ring.close();
    expect(requests).toBe(3);
    expect(warn).not.toHaveBeenCalled();
  });
});

describe.each<[string, Parameters<RunningService['service']['faults']['set']>[0]]>([
  ['down', { kind: 'drop' }],
  ['slow', { kind: 'delay', milliseconds: 60_000 }],
  ['throttling', { kind: 'throttle' }],
  ['failing', { kind: 'error' }],
  ['denying access', { kind: 'error', type: 'AccessDeniedException' }],
])('a service that is %s', (_what, fault) => {
  test('lets requests of an open ring go on, and nothing hangs', async () => {
    const { client, service } = await serviceWithKeys(2);
    const { ring, log } = await open(client, { timeToLive: 1000, callTimeLimit: 2000 });
    service.faults.set(fault);
    await until(() => log.some(({ event }) => event === 'key_ring_refresh_failed'));
    expect(await ring.decryptField(ring.encryptField('note', 'a'), 'a')).toBe('note');
    const error = await rejectionOf(ring.decryptField(rowUnder(1), 'a'));
    expect(error.code).toBe('KEY_UNAVAILABLE');
  });

  test('opens a ring with the key of the environment, and none without, within the time limit', async () => {
    const { client, service } = await serviceWithKeys(1);
    service.faults.set(fault);
    const error = await rejectionOf(open(client, { callTimeLimit: 300 }));
    expect(['CANNOT_REACH_AWS', 'AWS_REFUSED']).toContain(error.code);
    const { log } = await open(client, { callTimeLimit: 300 }, KeyMaterial.fromBytes(randomBytes(32)));
    expect(log.map(({ event }) => event)).toEqual(['aws_unavailable_using_env_fallback']);
  });
});

describe('a process', () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'ring-'));
  });
  afterAll(() => {
    rmSync(folder, { recursive: true });
  });

  test.each([
    ['that closes its ring', 'ring.close();'],
    ['that forgets to', ''],
  ])('%s ends by itself', async (what, last) => {
    const { url } = await serviceWithKeys(1);
    const script = join(folder, `${what.length}.mjs`);
    const source = join(folder, `${what.length}.ts`);
    writeFileSync(
      source,
      `import { KeyRing, loadSettings } from ${JSON.stringify(join(process.cwd(), 'src/index.ts'))};
       const ring = await KeyRing.open(loadSettings());
       console.log(await ring.decryptField(ring.encryptField('note')));
       ${last}`,
    );
    await build({
      entryPoints: [source],
      outfile: script,
      bundle: true,
      platform: 'node',
      format: 'esm',
      banner: {
        js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);",
      },
      nodePaths: [join(process.cwd(), 'node_modules')],
    });
    const child = spawn(process.execPath, [script], {
      env: {
        PATH: process.env['PATH'],
        ...CREDENTIALS,
        AWS_ENDPOINT_URL: url,
        ENVIRONMENT: 'production',
        AWS_REGION: 'us-east-1',
        SECRETS_MANAGER_KEY_NAME: SECRET,
      },
    });
    const printed: string[] = [];
    child.stdout.on('data', (data: Buffer) => printed.push(data.toString()));
    const lines: string[] = [];
    child.stderr.on('data', (data: Buffer) => lines.push(data.toString()));
    const [code] = (await once(child, 'close')) as [number];
    expect(printed.join('')).toBe('note\n');
    expect(code).toBe(0);
    const line =
      lines
        .join('')
        .split('\n')
        .find((text) => text.startsWith('{')) ?? '';
    expect(JSON.parse(line)).toMatchObject({
      level: 'INFO',
      event: 'encryption_key_fetched_from_aws',
      secret_id: SECRET,
      environment: 'production',
    });
  });
});

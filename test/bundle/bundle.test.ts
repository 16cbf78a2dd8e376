import { execFile } from 'node:child_process';
import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { buildInto, copyAlone, emptyFolder, runStep } from './support/built-lambda.ts';
import { builtPrograms } from '../support/built.ts';
import { startService, stopServices } from '../local/support/running-service.ts';
import {
  CreateSecretCommand,
  DescribeSecretCommand,
  PutSecretValueCommand,
  RotateSecretCommand,
} from '@aws-sdk/client-secrets-manager';

const RUNNER = 'src/local/lambda/lambda-runner.mjs';
const SECRET = 'pazpaz/encryption-key-v1';
const KEY = 'MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=';
const PENDING_KEY = 'QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVphYmNkZWY=';

let folder: Awaited<ReturnType<typeof emptyFolder>>;
let built: string;
let alone: string;

beforeAll(async () => {
  folder = await emptyFolder();
  built = await builtPrograms();
  alone = await copyAlone(built, join(folder.path, 'alone'));
});

afterEach(stopServices);
afterAll(() => folder.remove());

describe('the built Lambda', () => {
  test('is no larger than it was when its size was first written down', async () => {
    expect((await stat(join(built, 'lambda/handler.js'))).size).toBeLessThanOrEqual(199_876);
  });

  test('is one script and the word that it is CommonJS', async () => {
    expect((await readdir(join(built, 'lambda'))).sort()).toEqual(['handler.js', 'package.json']);
  });

  test('holds nothing of this repository but the handler, the steps, one secret and the format', async () => {
    const { inputs } = await metafile();
    const own = Object.keys(inputs).filter((path) => !path.startsWith('node_modules/'));
    expect(own).toContain('src/handler.ts');
    expect(own.filter((path) => !/^src\/(handler\.ts$|steps\/|secret\/|format\/)/.test(path))).toEqual([]);
  });

  test('asks for nothing but modules of Node itself', async () => {
    const { outputs } = await metafile();
    const asked = Object.values(outputs).flatMap(({ imports }) => imports.map(({ path }) => path));
    expect(asked.filter((path) => !path.startsWith('node:'))).toEqual([]);
  });

  test('is the same to the byte when it is built again', async () => {
    const again = join(folder.path, 'again');
    await buildInto(again);
    for (const file of ['handler.js', 'package.json']) {
      expect(await readFile(join(again, 'lambda', file))).toEqual(await readFile(join(built, 'lambda', file)));
    }
  });

  test('rotates a secret from a folder of its own', async () => {
    const { client, url } = await startService({ lambda: { bundle: alone, runner: RUNNER, log: () => undefined } });
    await client.send(new CreateSecretCommand({ Name: SECRET, SecretString: KEY }));
    const { VersionId: token = '' } = await client.send(rotation());
    await fetch(`${url}/_local/idle`);
    const { VersionIdsToStages } = await client.send(new DescribeSecretCommand({ SecretId: SECRET }));
    expect(VersionIdsToStages?.[token]?.toSorted()).toEqual(['AWSCURRENT', 'key-v2']);
  });

  test('runs a step when it is loaded as the runtime loads it, and tries again what was throttled', async () => {
    const { client, url } = await startService({ lambda: { bundle: alone, runner: RUNNER, log: () => undefined } });
    await client.send(new CreateSecretCommand({ Name: SECRET, SecretString: KEY }));
    await client.send(rotation());
    await fetch(`${url}/_local/idle`);
    const token = '22222222-2222-4222-8222-222222222222';
    await client.send(
      new PutSecretValueCommand({
        SecretId: SECRET,
        ClientRequestToken: token,
        SecretString: PENDING_KEY,
        VersionStages: ['AWSPENDING'],
      }),
    );
    await fetch(`${url}/_local/idle`);
    await fetch(`${url}/_local/calls`, { method: 'DELETE' });
    await fetch(`${url}/_local/faults`, {
      method: 'POST',
      body: JSON.stringify({ operation: 'DescribeSecret', nth: 1, kind: 'throttle' }),
    });

    const event = { Step: 'setSecret', SecretId: SECRET, ClientRequestToken: token };
    const outcome = await runStep(alone, { AWS_ENDPOINT_URL_SECRETS_MANAGER: url, AWS_REGION: 'us-east-1' }, { event });

    expect(outcome).toEqual({ requests: [] });
    const calls: unknown = await (await fetch(`${url}/_local/calls`)).json();
    expect(calls).toMatchObject({ counts: { DescribeSecret: 2 } });
  });
});

test('the build fails when the SDK no longer has a module that a stand-in replaces', async () => {
  const script = `
    import { build } from 'esbuild';
    import { standIns } from './build/stand-ins.mjs';
    const plugins = [standIns({ '@smithy/core/moved-away.js': 'event-streams.mjs' })];
    await build({ stdin: { contents: '' }, write: false, plugins });`;
  const building = promisify(execFile)(process.execPath, ['--input-type=module', '-e', script]);
  await expect(building).rejects.toThrow("replaced nothing: the SDK no longer has '@smithy/core/moved-away.js'");
});

function rotation(): RotateSecretCommand {
  return new RotateSecretCommand({
    SecretId: SECRET,
    RotationLambdaARN: 'arn:aws:lambda:us-east-1:123456789012:function:rotation',
    RotationRules: { AutomaticallyAfterDays: 365 },
  });
}

interface Metafile {
  readonly inputs: Readonly<Record<string, unknown>>;
  readonly outputs: Readonly<Record<string, { readonly imports: readonly { readonly path: string }[] }>>;
}

async function metafile(): Promise<Metafile> {
  return JSON.parse(await readFile(join(built, 'lambda.meta.json'), 'utf8')) as Metafile;
}

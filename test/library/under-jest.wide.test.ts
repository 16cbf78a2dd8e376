import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { build } from 'esbuild';
import { installPackage } from '../support/built.ts';

const run = promisify(execFile);
const ROOT = process.cwd();
const NAME = 'pazpaz-key-rotation';

/** A CommonJS project that runs its own tests with Jest, as `npm init -y` and `npm install jest` leave it. */
let project: string;
beforeAll(async () => {
  project = mkdtempSync(join(tmpdir(), 'under-jest-'));
  await installPackage(project, ['@aws-sdk', '@smithy', 'jest', '@jest', 'jest-circus']);
  writeFileSync(join(project, 'package.json'), '{ "name": "project", "version": "1.0.0" }\n');
});
afterAll(() => {
  rmSync(project, { recursive: true });
});

const TEST_OF_AN_APPLICATION = `
  const { KeyRing } = require('${NAME}');
  const { startSecretsManager } = require('${NAME}/testing');
  let aws;
  afterEach(() => aws.close());
  test('the ring opens in AWS', async () => {
    aws = await startSecretsManager();
    await aws.createKeyRing('app/key');
    Object.assign(process.env, aws.environment, { ENVIRONMENT: 'staging', SECRETS_MANAGER_KEY_NAME: 'app/key' });
    const ring = await KeyRing.open(undefined, { logger: () => undefined });
    expect(await ring.decryptField(ring.encryptField('note'))).toBe('note');
    ring.close();
  });
`;

test('a test of an application opens a ring in AWS under Jest, which refuses import() in CommonJS', async () => {
  writeFileSync(join(project, 'notes.test.js'), TEST_OF_AN_APPLICATION);
  const jest = join(ROOT, 'node_modules', 'jest', 'bin', 'jest.js');
  const { stderr } = await run(process.execPath, [jest, '--ci', '--forceExit'], {
    cwd: project,
    env: { PATH: process.env['PATH'], AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED: 'true' },
  }).catch((error: unknown) => error as { stderr: string });
  expect(stderr).toContain('1 passed');
});

test('no module for require has an import(), and none loads the SDK before a ring needs it', async () => {
  const cjs = join(project, 'node_modules', NAME, 'dist', 'library', 'cjs');
  for (const file of ['index.js', 'testing.js'])
    expect(readFileSync(join(cjs, file), 'utf8')).not.toMatch(/\bimport\(/);
  writeFileSync(join(project, 'app.cjs'), `require('${NAME}');`);
  const loaded = 'Object.keys(require.cache).filter((path) => path.includes("client-secrets-manager")).length';
  const whole = join(project, 'whole.cjs');
  await build({
    entryPoints: [join(project, 'app.cjs')],
    outfile: whole,
    bundle: true,
    platform: 'node',
    external: ['@aws-sdk/*'],
    logLevel: 'error',
  });
  for (const file of ['app.cjs', 'whole.cjs']) {
    const { stdout } = await run(process.execPath, ['-p', `require('./${file}'); ${loaded}`], { cwd: project });
    expect([file, stdout]).toEqual([file, '0\n']);
  }
});

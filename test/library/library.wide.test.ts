import { execFile } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { isBuiltin } from 'node:module';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { promisify } from 'node:util';
import { build } from 'esbuild';
import { endpointOf } from '../cli/support/operator.ts';
import { closeServersInFront, serverInFrontOf } from '../keyring/support/server-in-front.ts';
import { stopServices } from '../local/support/running-service.ts';
import { startProxy, stopProxies } from '../support/connect-proxy.ts';
import { current, ringWith, SECRET } from '../support/ring.ts';
import { installPackage } from '../support/built.ts';

const run = promisify(execFile);
const NAME = 'pazpaz-key-rotation';

/** A project that has the package installed, as npm would lay it. */
let project: string;
let installed: string;
const environment = {
  PATH: process.env['PATH'],
  ENVIRONMENT: 'local',
  ENCRYPTION_MASTER_KEY: 'rT8x9kp3QwE7yLmN2oA5vK1uG4hJ6fD9cB8sZ0tX3iY=',
};

beforeAll(async () => {
  project = mkdtempSync(join(tmpdir(), 'library-'));
  installed = await installPackage(project, ['@aws-sdk', '@smithy', '@types', 'undici-types']);
});
afterEach(async () => {
  stopProxies();
  closeServersInFront();
  await stopServices();
});
afterAll(() => {
  rmSync(project, { recursive: true });
});

const PROGRAM = `
  const key = KeyMaterial.fromBytes(new Uint8Array(32));
  const ring = await KeyRing.open(loadSettings());
  const row = ring.encryptField('note', 'patients:7:notes');
  console.log(await ring.decryptField(row, 'patients:7:notes'), decryptField(encryptField('in hand', key), key));
  ring.close();
`;
const IMPORTS = 'KeyMaterial, KeyRing, decryptField, encryptField, loadSettings';

test.each([
  ['import', 'program.mjs', `import { ${IMPORTS} } from '${NAME}';${PROGRAM}`],
  ['require', 'program.cjs', `const { ${IMPORTS} } = require('${NAME}'); (async () => {${PROGRAM}})();`],
])('it works after %s', async (_how, file, program) => {
  writeFileSync(join(project, file), program);
  const { stdout } = await run(process.execPath, [file], { cwd: project, env: environment });
  expect(stdout).toBe('note in hand\n');
});

test('one process may import it in one part and require it in another: keys and errors of the one are those of the other', async () => {
  const file = 'both.mjs';
  writeFileSync(
    join(project, file),
    `import { createRequire } from 'node:module';
     import * as imported from '${NAME}';
     const required = createRequire(import.meta.url)('${NAME}');
     const answers = [];
     for (const [one, other] of [[imported, required], [required, imported]]) {
       const key = one.KeyMaterial.fromBytes(new Uint8Array(32));
       answers.push(key instanceof other.KeyMaterial, other.decryptField(other.encryptField('note', key), key));
       try { one.decryptField(new Uint8Array(1), key); } catch (error) {
         answers.push(other.isKeyRotationError(error, 'INVALID_CIPHERTEXT'));
       }
       const ring = await other.KeyRing.open(one.loadSettings());
       answers.push(await ring.decryptField(ring.encryptField('ring')));
       ring.close();
     }
     const key = new Uint8Array(32);
     const nonces = [imported, required].flatMap(({ encryptField }) =>
       Array.from({ length: 5000 }, () => encryptField('note', key).subarray(1, 13).toString('hex')));
     console.log(JSON.stringify([answers, new Set(nonces).size]));`,
  );
  const { stdout } = await run(process.execPath, [file], { cwd: project, env: environment });
  const answers = [false, 'note', true, 'ring'];
  expect(JSON.parse(stdout)).toEqual([[...answers, ...answers], 10_000]);
});

test.each([
  ['import', 'proxied.mjs', `import { KeyRing, loadSettings } from '${NAME}';`],
  ['require', 'proxied.cjs', `const { KeyRing, loadSettings } = require('${NAME}');`],
])('it calls AWS through the proxy of the environment, after %s', async (_how, file, imports) => {
  const front = await serverInFrontOf(await endpointOf(await ringWith(current(1))), () => undefined);
  const proxy = await startProxy(Number(new URL(front).port));
  const program =
    'KeyRing.open(loadSettings()).then((ring) => { console.log(ring.encryptField("x")[0]); ring.close(); });';
  writeFileSync(join(project, file), imports + program);
  const { stdout } = await run(process.execPath, [file], {
    cwd: project,
    env: {
      PATH: process.env['PATH'],
      ENVIRONMENT: 'staging',
      AWS_REGION: 'us-east-1',
      AWS_ACCESS_KEY_ID: 'local',
      AWS_SECRET_ACCESS_KEY: 'local',
      SECRETS_MANAGER_KEY_NAME: SECRET,
      AWS_ENDPOINT_URL: 'http://secrets.example',
      HTTP_PROXY: proxy.host,
    },
  });
  expect([stdout, new Set(proxy.targets)]).toEqual(['1\n', new Set(['secrets.example:80'])]);
});

const TEST_PROGRAM = `
  const aws = await startSecretsManager();
  try {
    await aws.createKeyRing('app/key');
    Object.assign(process.env, aws.environment, { ENVIRONMENT: 'staging', SECRETS_MANAGER_KEY_NAME: 'app/key' });
    const ring = await KeyRing.open();
    const rows = [ring.encryptField('1')];
    for (const number of ['2', '3', '4']) {
      await (number === '4' ? aws.advance('365d') : aws.rotate('app/key'));
      await ring.refresh();
      rows.push(ring.encryptField(number));
    }
    aws.setFault({ operation: 'DescribeSecret', kind: 'error', type: 'AccessDeniedException' });
    console.log(await ring.refresh().catch(({ code }) => code));
    aws.clearFaults();
    await ring.refresh();
    console.log(await Promise.all(rows.map((row) => ring.decryptField(row))), ring.usage().map((one) => one.keyNumber));
    console.log(await aws.rotate('nothing').catch((error) => error.name), aws.calls.CreateSecret);
    try { aws.setFault({ kind: 'earthquake' }); } catch (error) { console.log(error.name); }
    ring.close();
  } finally {
    await aws.close();
  }
`;

test.each([
  ['import', 'tests.mjs', `import { KeyRing } from '${NAME}'; import { startSecretsManager } from '${NAME}/testing';`],
  [
    'require',
    'tests.cjs',
    `const { KeyRing } = require('${NAME}'); const { startSecretsManager } = require('${NAME}/testing');`,
  ],
])(
  'testing: a program starts a Secrets Manager, rotates, moves the clock and lets calls fail, after %s',
  async (how, file, imports) => {
    const body = how === 'import' ? TEST_PROGRAM : `(async () => {${TEST_PROGRAM}})();`;
    writeFileSync(join(project, file), imports + body);
    const { stdout, stderr } = await run(process.execPath, [file], {
      cwd: project,
      env: { PATH: process.env['PATH'], AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED: 'true' },
    });
    expect(stdout).toBe(
      "AWS_REFUSED\n[ '1', '2', '3', '4' ] [ 1, 2, 3, 4 ]\nResourceNotFoundException 1\nRangeError\n",
    );
    expect(stderr.split('\n').filter((line) => line !== '' && !line.includes('"event":'))).toEqual([]);
  },
);

test('testing: a rotation that fails says in which step and why', async () => {
  writeFileSync(
    join(project, 'failing.mjs'),
    `import { startSecretsManager } from '${NAME}/testing';
     const aws = await startSecretsManager({ lambda: () => Promise.reject(new Error('no such table')) });
     console.log(await aws.createKeyRing('app/key').catch(({ message }) => message));
     await aws.close();`,
  );
  const { stdout } = await run(process.execPath, ['failing.mjs'], { cwd: project, env: { PATH: process.env['PATH'] } });
  expect(stdout).toBe("The rotation of 'app/key' did not succeed (given up) in createSecret: no such table\n");
});

test('it depends on the SDK alone, and an entry point for columns on the library that it is for', () => {
  const { dependencies, peerDependencies, peerDependenciesMeta } = JSON.parse(readFileSync('package.json', 'utf8')) as {
    dependencies: object;
    peerDependencies: object;
    peerDependenciesMeta: object;
  };
  expect(Object.keys(dependencies)).toEqual(['@aws-sdk/client-secrets-manager']);
  const optional = Object.keys(peerDependencies).map((name) => [name, { optional: true }]);
  expect(peerDependenciesMeta).toEqual(Object.fromEntries(optional));
  const imported = readdirSync(join(installed, 'dist', 'library'), { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.js') && !file.startsWith('lambda'))
    .flatMap((file) => {
      const code = readFileSync(join(installed, 'dist', 'library', file), 'utf8');
      const found = [...code.matchAll(/(?:from |import\(|require\()["']([^"'.][^"']*)["']/g)];
      const place = file.includes('columns') ? basename(file) : 'elsewhere';
      return found.map(([, name = '']) => ({ place, name })).filter(({ name }) => !isBuiltin(name));
    });
  expect(new Set(imported.map(({ place, name }) => `${place}: ${name}`))).toEqual(
    new Set([
      'elsewhere: @aws-sdk/client-secrets-manager',
      'drizzle.js: drizzle-orm/pg-core',
      ...['kysely.js', 'query-columns.js', 'refuse-use.js', 'encrypted-writes.js'].map((file) => `${file}: kysely`),
    ]),
  );
});

test('a bundler keeps only what is used: without a ring there is neither ring nor SDK', async () => {
  writeFileSync(join(project, 'shaken.mjs'), `import { encryptField } from '${NAME}'; console.log(encryptField);`);
  const { outputFiles } = await build({
    entryPoints: [join(project, 'shaken.mjs')],
    bundle: true,
    platform: 'node',
    format: 'esm',
    write: false,
    absWorkingDir: project,
  });
  const code = outputFiles[0]?.text ?? '';
  expect(code).toContain('aes-256-gcm');
  for (const unwanted of ['DescribeSecret', 'RingCache', 'loadSettings']) expect(code).not.toContain(unwanted);
  expect(code.length).toBeLessThan(30_000);
});

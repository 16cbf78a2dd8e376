import { execFile, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

/*
 * `npm run test:clients`: clients of others on the local Secrets Manager, AWS's SDKs and caches in small programs of our
 * own. `npm run test:clients -- go rust` runs some of them. One whose toolchain or packages are missing is skipped, and
 * named. Everything that they need goes into node_modules/.clients.
 */

const HERE = import.meta.dirname;
const CACHE = resolve('node_modules', '.clients');
const at = (...path) => join(HERE, ...path);
const inCache = (...path) => join(CACHE, ...path);

const python = inCache('python', 'bin', 'python');
const PYTHON = {
  tools: ['python3'],
  install: [
    ['python3', '-m', 'venv', inCache('python')],
    [python, '-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '--requirement', at('requirements.txt')],
  ],
  build: [],
};
const POM = ['--quiet', '--batch-mode', '--file', at('java', 'pom.xml')];
const classpath = inCache('java.classpath');
const JAVA = {
  tools: ['mvn', 'javac', 'java'],
  install: [['mvn', ...POM, 'dependency:build-classpath', `-Dmdep.outputFile=${classpath}`]],
  build: [['mvn', ...POM, 'compile']],
};
const java = (...args) => [
  'java',
  '-cp',
  `${inCache('java', 'classes')}:${readFileSync(classpath, 'utf8')}`,
  'Clients',
  ...args,
];

/** A cache reads a value once for two answers; after a put and a refresh it has the new one, and the one before. */
const CACHED = ['first', 'first', 'second', 'first'];
/** An SDK reads the value, puts one, reads both, and tells by its type that a secret is missing. */
const PLAIN = ['first', 'second', 'first', 'true'];

const CLIENTS = {
  'caching-python': { ...PYTHON, run: () => [python, at('caching.py')], prints: CACHED, reads: 2 },
  'powertools-python': { ...PYTHON, run: () => [python, at('powertools.py')], prints: CACHED },
  'powertools-typescript': {
    tools: ['npm'],
    install: [
      // Its peer is the SDK of this repository.
      [
        ...['npm', 'install', '--silent', '--no-audit', '--no-fund', '--legacy-peer-deps'],
        ...['--prefix', inCache('typescript'), '@aws-lambda-powertools/parameters@2.35.0'],
      ],
    ],
    build: [],
    run: () => [process.execPath, at('powertools.mjs')],
    directory: inCache('typescript'),
    prints: CACHED,
  },
  go: {
    tools: ['go'],
    install: [['go', '-C', at('go'), 'mod', 'download']],
    build: [['go', '-C', at('go'), 'build', '-o', inCache('go')]],
    run: () => [inCache('go')],
    prints: PLAIN,
  },
  java: { ...JAVA, run: () => java(), prints: PLAIN },
  'caching-java': { ...JAVA, run: () => java('caching'), prints: CACHED.slice(0, 3), reads: 2 },
  rust: {
    tools: ['cargo'],
    install: [['cargo', 'fetch', '--quiet', '--manifest-path', at('rust', 'Cargo.toml')]],
    build: [
      ['cargo', 'build', '--quiet', '--manifest-path', at('rust', 'Cargo.toml'), '--target-dir', inCache('rust')],
    ],
    run: () => [inCache('rust', 'debug', 'clients')],
    prints: PLAIN,
  },
};

const names = process.argv.length > 2 ? process.argv.slice(2) : Object.keys(CLIENTS);
const unknown = names.find((name) => !Object.hasOwn(CLIENTS, name));
if (unknown !== undefined) {
  console.error(`There is no client '${unknown}'. There are ${Object.keys(CLIENTS).join(', ')}.`);
  process.exit(2);
}
mkdirSync(inCache('typescript'), { recursive: true });

const service = spawn(process.execPath, ['dist/local/local.mjs', '--port', '0'], {
  stdio: ['ignore', 'pipe', 'inherit'],
});
const [greeting] = await once(service.stdout, 'data');
const url = /http:\/\/\S+/.exec(String(greeting))?.[0] ?? '';
const environment = {
  ...process.env,
  AWS_ENDPOINT_URL_SECRETS_MANAGER: url,
  AWS_REGION: 'us-east-1',
  AWS_DEFAULT_REGION: 'us-east-1',
  AWS_ACCESS_KEY_ID: 'local',
  AWS_SECRET_ACCESS_KEY: 'local',
  AWS_EC2_METADATA_DISABLED: 'true',
};

const results = { passed: 0, failed: 0, skipped: 0 };
try {
  for (const name of names) {
    const { result, reason } = await tried(CLIENTS[name]);
    results[result] += 1;
    console.log(`${result.toUpperCase().padEnd(7)} ${name}${reason === undefined ? '' : `: ${reason}`}`);
  }
} finally {
  service.kill();
}
console.log(
  Object.entries(results)
    .map(([result, count]) => `${count} ${result}`)
    .join(', '),
);
process.exitCode = results.failed > 0 ? 1 : 0;

async function tried({ tools, install, build, run, prints, reads = 3, directory = CACHE }) {
  for (const tool of tools) {
    if (!(await ran(['which', tool])).ok) return { result: 'skipped', reason: `'${tool}' is not installed` };
  }
  for (const command of install) {
    const { ok, output } = await ran(command);
    if (!ok) return { result: 'skipped', reason: `its packages cannot be had.\n${output}` };
  }
  for (const command of build) {
    const { ok, output } = await ran(command);
    if (!ok) return { result: 'failed', reason: `it cannot be built.\n${output}` };
  }
  const secret = `clients/${randomUUID()}`;
  await call('CreateSecret', { Name: secret, SecretString: 'first', ClientRequestToken: randomUUID() });
  await globalThis.fetch(`${url}/_local/calls`, { method: 'DELETE' });
  const { ok, stdout, output } = await ran(run(), { cwd: directory, env: { ...environment, SECRET: secret } });
  const { counts } = await (await globalThis.fetch(`${url}/_local/calls`)).json();
  const found = [...stdout.trim().split('\n'), `${counts.GetSecretValue} reads`];
  const expected = [...prints, `${reads} reads`];
  if (ok && found.join() === expected.join()) return { result: 'passed' };
  return { result: 'failed', reason: `expected ${expected.join(', ')}, found ${found.join(', ')}.\n${output}` };
}

/** @returns {Promise<{ ok: boolean, stdout: string, output: string }>} */
function ran([program, ...args], options = {}) {
  return new Promise((resolved) => {
    execFile(program, args, { timeout: 600_000, ...options }, (error, stdout, stderr) => {
      resolved({ ok: error === null, stdout, output: `${stderr}${stdout}`.trim() || String(error?.message) });
    });
  });
}

async function call(operation, input) {
  const answer = await globalThis.fetch(url, {
    method: 'POST',
    body: JSON.stringify(input),
    headers: {
      'content-type': 'application/x-amz-json-1.1',
      'x-amz-target': `secretsmanager.${operation}`,
      authorization:
        'AWS4-HMAC-SHA256 Credential=local/20260101/us-east-1/secretsmanager/aws4_request, SignedHeaders=host, Signature=0',
    },
  });
  if (!answer.ok) throw new Error(await answer.text());
}

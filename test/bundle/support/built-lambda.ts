import { execFile } from 'node:child_process';
import { cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** An empty folder that nothing of this package is above or below of. */
export async function emptyFolder(): Promise<{ readonly path: string; readonly remove: () => Promise<void> }> {
  const path = await mkdtemp(join(tmpdir(), 'bundle-test-'));
  return { path, remove: () => rm(path, { recursive: true }) };
}

/** Does what `npm run build` does, into another folder than dist. */
export async function buildInto(folder: string): Promise<void> {
  await run(process.execPath, ['esbuild.config.mjs', '--out', folder]);
}

/** Bundles the same code with the whole AWS SDK in it. */
export async function buildUntrimmed(outfile: string): Promise<void> {
  const options = ['--bundle', '--platform=node', '--log-level=error', `--outfile=${outfile}`];
  await run('node_modules/.bin/esbuild', ['src/handler.ts', ...options]);
}

/** Copies the built Lambda, and nothing else, to where no node_modules is found. Resolves to its handler. */
export async function copyAlone(built: string, folder: string): Promise<string> {
  await cp(join(built, 'lambda'), folder, { recursive: true });
  return join(folder, 'handler.js');
}

/** What a bundle did in a fresh process. */
export interface Outcome {
  /** The name of the error that the handler rejected with. */
  readonly error?: { readonly code?: string; readonly message: string };
  /** HTTPS requests that it made; each of them was cut off. */
  readonly requests: readonly { readonly host: string; readonly headers: Readonly<Record<string, string>> }[];
}

const STEP = {
  Step: 'setSecret',
  SecretId: 'pazpaz/encryption-key-v1',
  ClientRequestToken: '11111111-1111-4111-8111-111111111111',
};

/** Loads a bundle as Lambda's runtime does, notes where it would go on the internet, and lets nothing out. */
const RUNNER = `
const https = require('node:https');
const { PassThrough } = require('node:stream');
const requests = [];
https.request = ({ host, headers }) => {
  requests.push({ host, headers });
  const request = new PassThrough();
  process.nextTick(() => request.destroy(new Error('cut off')));
  return request;
};
const [bundle, event, remaining] = process.argv.slice(1);
const context = { functionName: 'rotation', getRemainingTimeInMillis: () => Number(remaining) };
require(bundle).handler(JSON.parse(event), context)
  .then(() => ({}), ({ code, message }) => ({ error: { code, message } }))
  .then((outcome) => {
    require('node:fs').writeSync(3, JSON.stringify({ ...outcome, requests }));
    process.exit(0);
  });`;

/**
 * Runs one step in a fresh process whose environment is Lambda's and `environment`.
 *
 * @param options.remaining milliseconds that Lambda says are left.
 */
export async function runStep(
  bundle: string,
  environment: Readonly<Record<string, string>>,
  options: { readonly event?: Readonly<Record<string, string>>; readonly remaining?: number } = {},
): Promise<Outcome> {
  const { event = STEP, remaining = 30_000 } = options;
  const { stdout } = await run(
    '/bin/sh',
    [
      '-c',
      // The log goes nowhere, the outcome takes its place on standard output.
      'exec "$0" "$@" 3>&1 >/dev/null',
      process.execPath,
      '-e',
      RUNNER,
      bundle,
      JSON.stringify(event),
      String(remaining),
    ],
    { env: { ...LAMBDA_ENVIRONMENT, ...environment } },
  );
  return JSON.parse(stdout) as Outcome;
}

const LAMBDA_ENVIRONMENT = {
  AWS_REGION: 'eu-central-1',
  AWS_ACCESS_KEY_ID: 'AKIAIOSFODNN7EXAMPLE',
  AWS_SECRET_ACCESS_KEY: 'example',
  AWS_SESSION_TOKEN: 'session-token',
  AWS_LAMBDA_FUNCTION_NAME: 'rotation',
  AWS_EXECUTION_ENV: 'AWS_Lambda_nodejs24.x',
  _X_AMZN_TRACE_ID: 'Root=1-5759e988-bd862e3fe1be46a994272793',
};

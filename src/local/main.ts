import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { CommanderError } from 'commander';
import { readCommandLine, type Settings } from './command-line.ts';
import { startLocalService, type LambdaChoice } from './start.ts';
import { StateFileError } from './state-file.ts';

/** Beside this file: the build puts the runner there, and the Lambda into the folder next door. */
const RUNNER = fileURLToPath(new URL('./lambda-runner.mjs', import.meta.url));
const BUILT_LAMBDA = fileURLToPath(new URL('../lambda/', import.meta.url));

// Whoever reads only the beginning (`npm run local -- --help | head`) has seen what they wanted.
process.stdout.on('error', () => process.exit(0));

try {
  await run(readCommandLine(process.argv));
} catch (error) {
  if (error instanceof CommanderError) process.exitCode = error.exitCode === 0 ? 0 : 2;
  else {
    process.stderr.write(`${explain(error)}\n`);
    process.exitCode = 1;
  }
}

async function run(settings: Settings): Promise<void> {
  const { port, host, region, accountId, tries, retryPause, notices, behaviour } = settings;
  const local = await startLocalService({
    ...{ port, host, region, accountId, tries, retryPause, notices, behaviour },
    ...(settings.state === undefined ? {} : { stateFile: settings.state }),
    ...(settings.lambdaAccessKey === undefined ? {} : { lambdaAccessKeyIds: [settings.lambdaAccessKey] }),
    lambda: await lambdaOf(settings),
  });
  process.stdout.write(
    [
      `Secrets Manager for this machine: ${local.url} (${region}, account ${accountId})`,
      '',
      `export AWS_ENDPOINT_URL_SECRETS_MANAGER=${local.url} AWS_REGION=${region} AWS_DEFAULT_REGION=${region} AWS_ACCESS_KEY_ID=local AWS_SECRET_ACCESS_KEY=local`,
      '',
      '',
    ].join('\n'),
  );
  await new Promise<void>((resolve) => {
    process.once('SIGINT', resolve);
    process.once('SIGTERM', resolve);
  });
  await local.close();
}

async function lambdaOf(settings: Settings): Promise<LambdaChoice> {
  const { lambdaEndpoint, functionName } = settings;
  if (lambdaEndpoint !== undefined) {
    return { url: lambdaEndpoint, ...(functionName === undefined ? {} : { functionName }) };
  }
  const path = settings.lambda ?? BUILT_LAMBDA;
  const isFolder = await stat(path).then((found) => found.isDirectory());
  return { bundle: isFolder ? join(path, 'handler.js') : path, runner: RUNNER, timeout: settings.timeout * 1000 };
}

/** What went wrong and what to do, in one line. */
function explain(error: unknown): string {
  if (error instanceof StateFileError) return error.message;
  if (!(error instanceof Error)) return 'The local service cannot start.';
  const code = 'code' in error ? error.code : undefined;
  if (code === 'EADDRINUSE') return `${error.message}: something else listens there. Choose another --port.`;
  return `The local service cannot start: ${error.message}`;
}

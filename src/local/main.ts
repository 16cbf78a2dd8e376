import { randomUUID } from 'node:crypto';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { runProgram } from './run-program.ts';
import { readCommandLine, type Settings } from './command-line.ts';
import { bridgeAddress, hostForContainers, urlForContainers } from './sam/container-address.ts';
import { messageOf } from './error-message.ts';
import type { Postgres } from './postgres/embedded-postgres.ts';
import { SECRET_NAME, secretToRotate, stepsByHand } from './sam/mid-rotation.ts';
import { FUNCTION_ID, SAM_ACCESS_KEY_ID, writeEnvironmentFile } from './sam/sam-files.ts';
import { startLocalService, type LambdaChoice, type LocalService } from './start.ts';
import { StateFileError } from './state-file.ts';
import type { ServiceState } from './service/state.ts';

/** As the build places them. */
const RUNNER = fileURLToPath(new URL('./lambda-runner.mjs', import.meta.url));
const BUILT_LAMBDA = fileURLToPath(new URL('../lambda/', import.meta.url));

const PATIENTS =
  "The table patients has 300 rows: 100 of older data, 100 under key 1, 100 under key 2. Their context is 'patients:{id}:notes'.";

await runProgram(readCommandLine, run, explain);

async function run(settings: Settings): Promise<void> {
  const { port, region, accountId, tries, retryPause, behaviour, midRotation, envVars } = settings;
  const isByHand = midRotation !== undefined;
  const bridge = isByHand || envVars !== undefined ? await bridgeAddress() : undefined;
  const host = settings.host ?? hostForContainers(bridge);
  const local: LocalService = await startLocalService({
    allowedHosts: settings.allowHost,
    ...{ port, host, region, accountId, tries, retryPause, behaviour },
    // An operator who runs the steps by hand needs no notices.
    notices: settings.notices && !isByHand,
    ...(settings.state === undefined ? {} : { stateFile: settings.state }),
    lambdaAccessKeyIds: [settings.lambdaAccessKey ?? SAM_ACCESS_KEY_ID],
    ...(isByHand ? { initial: secretToRotate(region, accountId, Date.now()) } : {}),
    lambda: isByHand ? byHand(midRotation, () => local.service.state) : await lambdaOf(settings),
  });
  const endpoint = urlForContainers(host, local.port, bridge);
  say(
    `Secrets Manager for this machine: ${local.url} (${region}, account ${accountId})`,
    '',
    `export AWS_ENDPOINT_URL_SECRETS_MANAGER=${local.url} AWS_REGION=${region} AWS_DEFAULT_REGION=${region} AWS_ACCESS_KEY_ID=local AWS_SECRET_ACCESS_KEY=local`,
    '',
  );
  let postgres: Postgres | undefined;
  try {
    if (settings.withPostgres === true) {
      // Loaded on demand: the driver would be a third of every start.
      const { startPostgres } = await import('./postgres/embedded-postgres.ts');
      const { fillPatients } = await import('./postgres/patients.ts');
      postgres = await startPostgres();
      await fillPatients(
        local.service,
        `arn:aws:lambda:${region}:${accountId}:function:PazPazKeyRotation`,
        postgres.client,
      );
      say(`export SECRETS_MANAGER_KEY_NAME=${SECRET_NAME} DATABASE_URL=${postgres.url}`, '', PATIENTS, '');
    }
    if (envVars !== undefined) await writeEnvironmentFile(envVars, { endpoint, secretId: SECRET_NAME });
    if (isByHand) await beginByHand(local, midRotation, endpoint);
    await new Promise<void>((resolve) => {
      process.once('SIGINT', resolve);
      process.once('SIGTERM', resolve);
    });
  } finally {
    await postgres?.stop();
    await local.close();
  }
}

async function beginByHand({ service }: LocalService, folder: string, endpoint: string): Promise<void> {
  const arn = Object.keys(service.state.secrets)[0] ?? SECRET_NAME;
  await writeEnvironmentFile(join(folder, 'env.json'), { endpoint, secretId: arn });
  await service.call('RotateSecret', { SecretId: arn, ClientRequestToken: randomUUID() });
}

function byHand(folder: string, state: () => ServiceState): LambdaChoice {
  return stepsByHand({
    folder,
    state,
    waiting: (files) => {
      const invocations = files.map((file) => `  sam local invoke -e ${file} --env-vars ${join(folder, 'env.json')}`);
      say(`${SECRET_NAME} is in the middle of a rotation. Its steps, to be run in this order:`, '', ...invocations, '');
    },
    rotated: (versionId) => {
      say(`Rotated: ${versionId} is AWSCURRENT. 'aws secretsmanager rotate-secret' begins the next one.`, '');
    },
    failed: (error) => {
      process.stderr.write(`The events cannot be written: ${messageOf(error)}\n`);
    },
  });
}

function say(...lines: readonly string[]): void {
  process.stdout.write(lines.map((line) => `${line}\n`).join(''));
}

async function lambdaOf(settings: Settings): Promise<LambdaChoice> {
  const { lambdaEndpoint, functionName } = settings;
  if (lambdaEndpoint !== undefined) {
    // The SAM CLI's file is about this package's function.
    const name = functionName ?? (settings.envVars === undefined ? undefined : FUNCTION_ID);
    return { url: lambdaEndpoint, ...(name === undefined ? {} : { functionName: name }) };
  }
  const path = settings.lambda ?? BUILT_LAMBDA;
  const isFolder = await stat(path).then((found) => found.isDirectory());
  return { bundle: isFolder ? join(path, 'handler.js') : path, runner: RUNNER, timeout: settings.timeout * 1000 };
}

function explain(error: unknown): string {
  if (error instanceof StateFileError) return error.message;
  if (!(error instanceof Error)) return 'The local service cannot start.';
  const code = 'code' in error ? error.code : undefined;
  if (code === 'EADDRINUSE') return `${error.message}: something else listens there. Choose another --port.`;
  return `The local service cannot start: ${error.message}`;
}

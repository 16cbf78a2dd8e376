import {
  CreateSecretCommand,
  DescribeSecretCommand,
  ListSecretVersionIdsCommand,
  RotateSecretCommand,
  SecretsManagerClient,
  UpdateSecretVersionStageCommand,
} from '@aws-sdk/client-secrets-manager';
import { numberingLabel, type KeyNumber } from '../format/key-number.ts';
import { ringLabels } from '../format/ring-labels.ts';
import type { RotationRecord } from '../local/lambda/rotation-history.ts';
import { startLocalService, type LambdaChoice, type LocalService } from '../local/start.ts';
import { readRecords, writeRecord, type Reading, type SecretAccess } from './application.ts';
import type { PatientRecord } from './patient-record.ts';

/** As the setup guide prints them. */
export const GUIDE = {
  secretId: 'pazpaz/encryption-key-v1',
  exampleKey: 'rT8x9kp3QwE7yLmN2oA5vK1uG4hJ6fD9cB8sZ0tX3iY=',
  lambdaArn: 'arn:aws:lambda:us-east-1:123456789012:function:PazPazKeyRotation',
  days: 365,
} as const;

export function periodsOf(years: number, days: number): number {
  return Math.floor((years * 365) / days);
}

/** Dates are by the service's clock, as `YYYY-MM-DD`. */
export type Happening =
  | { readonly kind: 'service started'; readonly url: string }
  | { readonly kind: 'secret created'; readonly date: string; readonly record: PatientRecord }
  | { readonly kind: 'rotation turned on'; readonly date: string; readonly days: number }
  /** `steps` returns those that have begun so far. */
  | { readonly kind: 'rotation begun'; readonly steps: () => readonly string[] }
  | {
      readonly kind: 'rotated';
      readonly date: string;
      readonly record: PatientRecord;
      readonly reading: Reading;
    }
  | { readonly kind: 'key lost by hand'; readonly date: string; readonly number: number };

/** At the end. */
export interface KeptVersion {
  readonly versionId: string;
  /** 0: no number. */
  readonly number: number;
  readonly labels: readonly string[];
  readonly created: string;
}

/** The service still runs: close it. */
export interface Lived {
  readonly secret: SecretAccess;
  readonly records: readonly PatientRecord[];
  readonly readings: readonly Reading[];
  readonly rotations: readonly RotationRecord[];
  readonly versions: readonly KeptVersion[];
  readonly close: () => Promise<void>;
}

export interface YearsOptions {
  /** After the first rotation, which begins at once. */
  readonly periods: number;
  /** Between two rotations. */
  readonly days: number;
  /** `secret`: for a Lambda that runs in this process. */
  readonly lambda: (secret: () => SecretAccess) => LambdaChoice;
  /** Removes this key's numbering label by hand, after the last rotation. */
  readonly loseKey?: KeyNumber;
  readonly tell: (happening: Happening) => void;
}

/** The message names the step, the error and what was left. */
class RotationFailedError extends Error {
  override readonly name = 'RotationFailedError';
}

/** Each time a key becomes current, writes one record and reads all of them. Throws `RotationFailedError`. */
export async function liveThrough(options: YearsOptions): Promise<Lived> {
  const { periods, days, lambda, loseKey, tell } = options;
  const { local, secret, close } = await startSecretsManager(lambda);
  try {
    tell({ kind: 'service started', url: local.url });
    await createSecret(secret);
    const records = [await writeRecord(secret, 1)];
    for (const record of records) tell({ kind: 'secret created', date: today(local), record });

    const readings: Reading[] = [];
    for (let period = 0; period <= periods; period += 1) {
      const isFirst = period === 0;
      if (isFirst) tell({ kind: 'rotation turned on', date: today(local), days });
      await rotate(local, tell, () => (isFirst ? turnRotationOn(secret, local, days) : nextRotation(local)));
      const record = await writeRecord(secret, records.length + 1);
      records.push(record);
      if (period === periods && loseKey !== undefined) {
        await takeLabelAway(secret, loseKey);
        await local.service.idle();
        tell({ kind: 'key lost by hand', date: today(local), number: loseKey });
      }
      const reading = await readRecords(secret, records);
      readings.push(reading);
      tell({ kind: 'rotated', date: today(local), record, reading });
    }
    const rotations = local.service.history.records;
    return { secret, records, readings, rotations, versions: await versionsOf(secret), close };
  } catch (error) {
    await close();
    throw error;
  }
}

export interface RunningService {
  readonly local: LocalService;
  readonly secret: SecretAccess;
  readonly close: () => Promise<void>;
}

/** The harshest reading of the documentation: a version without labels 'can be deleted', so it is, at once. */
export async function startSecretsManager(lambda: YearsOptions['lambda']): Promise<RunningService> {
  const local: LocalService = await startLocalService({
    behaviour: { unlabelledVersions: 'deleted-at-once' },
    lambda: lambda(() => secret),
  });
  const secret: SecretAccess = { client: clientOf(local.url), secretId: GUIDE.secretId };
  const close = async (): Promise<void> => {
    secret.client.destroy();
    await local.close();
  };
  return { local, secret, close };
}

export async function createSecret({ client, secretId }: SecretAccess): Promise<void> {
  await client.send(new CreateSecretCommand({ Name: secretId, SecretString: GUIDE.exampleKey }));
}

/** The guide's command. It says nothing of `RotateImmediately`, so the first rotation begins at once, as on AWS. */
export async function turnRotationOn(
  { client, secretId }: SecretAccess,
  { service }: LocalService,
  days: number,
): Promise<void> {
  await client.send(
    new RotateSecretCommand({
      SecretId: secretId,
      RotationLambdaARN: GUIDE.lambdaArn,
      RotationRules: { AutomaticallyAfterDays: days },
    }),
  );
  await service.idle();
}

export function nextRotation({ service }: LocalService): Promise<void> {
  return service.advanceToNextRotation(GUIDE.secretId);
}

export async function rotate(
  { service }: LocalService,
  tell: (happening: Happening) => void,
  run: () => Promise<void>,
): Promise<void> {
  const place = service.history.records.length;
  tell({ kind: 'rotation begun', steps: () => service.history.records[place]?.attempts.at(-1)?.steps ?? [] });
  await run();
  const record = service.history.records[place];
  if (record?.outcome !== 'succeeded') throw rotationFailed(record, isoDay(service.clock.now()));
}

function rotationFailed(record: RotationRecord | undefined, date: string): RotationFailedError {
  const error = record?.attempts.at(-1)?.error;
  const reason = error === undefined ? (record?.outcome ?? 'it never began') : `${error.step}: ${error.message}`;
  return new RotationFailedError(`The rotation of ${date} did not succeed (${reason}). Its keys are as they were.`);
}

async function takeLabelAway({ client, secretId }: SecretAccess, number: KeyNumber): Promise<void> {
  const { VersionIdsToStages } = await client.send(new DescribeSecretCommand({ SecretId: secretId }));
  await client.send(
    new UpdateSecretVersionStageCommand({
      SecretId: secretId,
      VersionStage: numberingLabel(number),
      RemoveFromVersionId: ringLabels(VersionIdsToStages).versionOf.get(number),
    }),
  );
}

/** By number. A page of the listing holds 100 versions, the ring at most 17. */
export async function versionsOf({ client, secretId }: SecretAccess): Promise<KeptVersion[]> {
  const { Versions = [] } = await client.send(new ListSecretVersionIdsCommand({ SecretId: secretId }));
  const versions = Versions.map(({ VersionId = '', VersionStages = [], CreatedDate }) => ({
    versionId: VersionId,
    number: ringLabels({ [VersionId]: VersionStages }).numberOf.get(VersionId) ?? 0,
    labels: VersionStages,
    created: CreatedDate === undefined ? '' : isoDay(CreatedDate.getTime()),
  }));
  return versions.sort((a, b) => a.number - b.number || a.created.localeCompare(b.created));
}

function clientOf(endpoint: string): SecretsManagerClient {
  const credentials = { accessKeyId: 'story', secretAccessKey: 'story' };
  return new SecretsManagerClient({ endpoint, region: 'us-east-1', credentials });
}

/** By the service's clock. */
export function today({ service }: LocalService): string {
  return isoDay(service.clock.now());
}

function isoDay(moment: number): string {
  return new Date(moment).toISOString().slice(0, 10);
}

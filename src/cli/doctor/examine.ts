import { isKeyRotationError, KeyRotationError } from '../../format/error.ts';
import { ringLabels } from '../../format/ring-labels.ts';
import { awsErrorName, isFault, refused } from '../../secret/aws-error.ts';
import type { FoundColumns } from '../../postgres/find-columns.ts';
import { MANAGED_KEY } from '../ring/kms-keys.ts';
import { labelledVersions, readRingReport, type RingReport } from '../status/ring-report.ts';
import { keyEncryptions, type CountEncryptions } from '../status/key-encryptions.ts';
import { describedRing, type DescribedRing } from '../ring/ring.ts';
import type { CommandDependencies, OperatorSecrets, RotationFunction } from '../aws/operator.ts';
import { mostAlike } from './alike.ts';
import type { Examination, KmsKeyState, Replica } from './examination.ts';
import { readingOf, type Reading } from '../ring/reading.ts';

export interface DoctorDependencies extends CommandDependencies {
  readonly region: string | undefined;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** In another region. */
  readonly secretsIn: (region: string) => OperatorSecrets;
  /** By id or ARN. */
  readonly kmsKeyState: (keyId: string) => Promise<KmsKeyState>;
  /** By ARN. */
  readonly rotationFunction: (functionArn: string) => Promise<RotationFunction>;
  /** Of all processes. */
  readonly countEncryptions: CountEncryptions;
  /** Absent if no list of columns was given. */
  readonly findUnlisted?: () => Promise<FoundColumns>;
  /** Milliseconds by which AWS's clock was ahead in its last answer. */
  readonly clockOffset: () => number | undefined;
  /** Why that clock is not AWS's; `undefined` if it is. */
  readonly whyNotAwsClock: () => string | undefined;
}

/** Writes nothing. What cannot be read is recorded with the reason. */
export async function examine(deps: DoctorDependencies): Promise<Examination> {
  const described = await settled(describedRing(deps));
  // Only an answer says what time it is for the service.
  const basics = { secretId: deps.secretId, region: deps.region, environment: deps.environment, now: deps.now() };
  const nothing = { ...basics, otherNames: [], readings: new Map(), kmsKeys: new Map(), replicas: [] };
  if (described instanceof KeyRotationError) {
    const isMissing = described.code === 'SECRET_NOT_FOUND';
    return {
      ...nothing,
      undescribed: described,
      otherNames: isMissing ? await otherNames(deps) : [],
      ...offset(deps),
    };
  }
  try {
    const listed = await settled(readRingReport(deps));
    const isListed = !(listed instanceof KeyRotationError);
    const report = isListed ? listed : await readRingReport(deps, { list: labelledVersions });
    return {
      ...basics,
      otherNames: [],
      described,
      report,
      ...(isListed ? {} : { unlisted: listed }),
      readings: await readings(deps, described, report),
      kmsKeys: await kmsKeys(deps, report),
      replicas: await replicas(deps, described),
      ...(await functionOf(deps, described)),
      encryptions: await keyEncryptions(report, deps.countEncryptions),
      ...(deps.findUnlisted === undefined ? {} : { unlistedColumns: await settled(deps.findUnlisted()) }),
      ...offset(deps),
    };
  } catch (error) {
    // The network failed midway; a database address that cannot be understood is another matter.
    if (!isKeyRotationError(error) || error.code === 'INVALID_SETTINGS') throw error;
    return { ...nothing, undescribed: error, ...offset(deps) };
  }
}

async function settled<T>(answer: Promise<T>): Promise<T | KeyRotationError> {
  try {
    return await answer;
  } catch (error) {
    if (isKeyRotationError(error) && error.code !== 'INVALID_SETTINGS') return error;
    throw error;
  }
}

function offset({
  clockOffset,
  whyNotAwsClock,
}: DoctorDependencies): Pick<Examination, 'clockOffset' | 'clockUnknown'> {
  const milliseconds = clockOffset();
  const why = whyNotAwsClock();
  return {
    ...(milliseconds === undefined ? {} : { clockOffset: milliseconds }),
    ...(why === undefined ? {} : { clockUnknown: why }),
  };
}

async function otherNames({ secrets, secretId }: DoctorDependencies): Promise<readonly string[]> {
  const names: string[] = [];
  try {
    let page: string | undefined;
    do {
      const answer = await secrets.listSecrets(page === undefined ? {} : { NextToken: page });
      names.push(...(answer.SecretList ?? []).flatMap(({ Name }) => Name ?? []));
      page = answer.NextToken;
    } while (page !== undefined);
  } catch {
    // Without permission to list there are no suggestions; the secret is missing in any case.
  }
  return mostAlike(secretId, names);
}

async function readings(
  deps: DoctorDependencies,
  { ring }: DescribedRing,
  report: RingReport,
): Promise<ReadonlyMap<string, Reading>> {
  const unnumbered = report.versions.filter(({ state }) => state === 'no label' || state === 'foreign label only');
  const inUse = [...ring.numberOf.keys(), ring.previous, ring.current, ...unnumbered.map(({ versionId }) => versionId)];
  const found = new Map<string, Reading>();
  for (const versionId of new Set(inUse.filter((id) => id !== undefined))) {
    found.set(versionId, await readingOf(deps, versionId));
  }
  return found;
}

async function kmsKeys(deps: DoctorDependencies, report: RingReport): Promise<ReadonlyMap<string, KmsKeyState>> {
  const found = new Map<string, KmsKeyState>();
  for (const keyId of new Set(report.versions.flatMap((version) => version.kmsKeyIds))) {
    // The AWS-managed key cannot be disabled.
    if (keyId !== MANAGED_KEY) found.set(keyId, await deps.kmsKeyState(keyId));
  }
  return found;
}

async function replicas(deps: DoctorDependencies, { secret }: DescribedRing): Promise<readonly Replica[]> {
  const found: Replica[] = [];
  for (const { Region: region = '', Status: status = '' } of secret.ReplicationStatus ?? []) {
    found.push({ region, status, numbers: await numbersIn(deps, region, secret.Name ?? deps.secretId) });
  }
  return found;
}

async function numbersIn(deps: DoctorDependencies, region: string, name: string): Promise<Replica['numbers']> {
  try {
    const secret = await deps.secretsIn(region).describeSecret({ SecretId: name });
    const answeredFor = secret.ARN?.split(':')[3] ?? region;
    // A VPC endpoint knows only its own region, and would return the secret itself instead of its replica.
    if (answeredFor !== region) return { unknown: `the endpoint in use answers for ${answeredFor}` };
    return new Set(ringLabels(secret.VersionIdsToStages).versionOf.keys());
  } catch (error) {
    if (awsErrorName(error) === 'ResourceNotFoundException') return new Set();
    return { unknown: refused('DescribeSecret', name, error).message, ...(isFault(error) ? { isFault: true } : {}) };
  }
}

async function functionOf(
  deps: DoctorDependencies,
  { secret }: DescribedRing,
): Promise<Pick<Examination, 'rotationFunction'>> {
  const functionArn = secret.RotationLambdaARN ?? '';
  return functionArn === '' ? {} : { rotationFunction: await deps.rotationFunction(functionArn) };
}

import packageJson from '../../../package.json' with { type: 'json' };
import { backupRecord } from '../backup/backup-tag.ts';
import type { AwsSession } from '../aws/session.ts';
import { readRingReport } from '../status/ring-report.ts';
import { forgottenNumbers, MAX_RECORDS, rangesOf } from '../ring/retired-tags.ts';
import { describedRing } from '../ring/ring.ts';
import { wrongUsage } from '../command.ts';
import { keyList } from '../terminal/table.ts';
import { FORMAT, type Evidence, type KeyFacts, type PreviousReport, type RowFacts } from './evidence.ts';
import { sha256 as hashOf, type ReportOnDisk } from './files.ts';
import { historyOfSecret, merged } from './history.ts';
import { keyFacts, missingNumbers } from './keys.ts';
import { settingFacts } from './sources/settings.ts';
import { readSources, type SourceOptions } from './sources/sources.ts';
import { UnseenList } from './unseen.ts';
import { verdictOn, type Facts } from './verdict.ts';

export interface CollectOptions {
  /** Absent if no rows are to be counted. */
  readonly countRows?: () => Promise<RowFacts>;
  readonly previous?: ReportOnDisk & { readonly signature?: string };
  /** The KMS key that will sign the report. */
  readonly signedWith?: string | undefined;
  readonly sources: SourceOptions;
}

/**
 * Writes nothing. Throws what `status` throws: without the secret there is nothing to report. Whatever else cannot be
 * read is in `unseen`.
 */
export async function collectEvidence(
  session: AwsSession,
  { countRows, previous, signedWith, sources: options }: CollectOptions,
): Promise<Evidence> {
  const { deps } = session;
  const { secret } = await describedRing(deps);
  const report = await readRingReport(deps);
  if (previous !== undefined && previous.secretName !== report.name)
    wrongUsage(`--previous names a report of the secret ${previous.secretName}, and this one is of ${report.name}.`);
  const unseen = new UnseenList(session.whyNotAsked);
  const backup = backupRecord(secret.Tags);
  const sources = await readSources(session, options, report, unseen);
  const { recordsFrom, kmsKeys, access, alarms } = sources;
  const history = merged(historyOfSecret(report, secret.Tags), sources.history, report);
  const keys = keyFacts(report, history, recordsFrom);
  addUnrecorded(keys, forgottenNumbers(secret.Tags), unseen);
  addBefore(recordsFrom, secret.CreatedDate, unseen);
  const { name, arn, kmsKeyId, currentNumber, slots, rotation } = report;
  const secretFacts: Facts['secret'] = {
    name,
    arn,
    ...(kmsKeyId === undefined ? {} : { kmsKeyId }),
    currentNumber,
    slots,
    rotation,
    replicas: (secret.ReplicationStatus ?? []).map(({ Region: region = '', Status: status = '' }) => ({
      region,
      status,
    })),
    ...(backup === undefined ? {} : { backup }),
  };
  const facts: Facts = {
    format: FORMAT,
    madeAt: deps.now().toISOString(),
    madeWith: `${packageJson.name} ${packageJson.version}`,
    ...(previous === undefined ? {} : { previous: named(previous) }),
    ...(signedWith === undefined ? {} : { signedWith }),
    secret: secretFacts,
    keys,
    history,
    ...(recordsFrom === undefined ? {} : { recordsFrom }),
    rows: await rowFacts(countRows, unseen),
    kmsKeys,
    access,
    alarms,
    settings: settingFacts({ ...sources, secret: secretFacts, keys }),
    unseen: unseen.all,
  };
  return { ...facts, verdict: verdictOn(facts, report) };
}

function named({ madeAt, sha256, sums, signature }: NonNullable<CollectOptions['previous']>): PreviousReport {
  return { madeAt, sha256, checksums: hashOf(sums), ...(signature === undefined ? {} : { signature }) };
}

function addBefore(recordsFrom: string | undefined, made: Date | undefined, unseen: UnseenList): void {
  if (recordsFrom === undefined || made === undefined || made.toISOString() >= recordsFrom) return;
  unseen.add(
    `who changed the secret before ${recordsFrom.slice(0, 10)}`,
    'the logs of a trail, CloudTrail Lake, or an earlier report',
    "CloudTrail's event history ends after 90 days. A trail keeps the events in S3, where Athena reads them, and an " +
      'event data store in CloudTrail Lake',
  );
}

function addUnrecorded(keys: readonly KeyFacts[], forgotten: ReadonlySet<number>, unseen: UnseenList): void {
  const undated = [...forgotten].filter((number) => !keys.some((key) => key.number === number));
  if (undated.length > 0) {
    const why = `The secret keeps the records of the last ${MAX_RECORDS} retired keys`;
    unseen.add(`when each of the keys ${rangesOf(undated).join(', ')} was retired`, 'an earlier report', why);
  }
  for (const numbers of missingNumbers(keys, forgotten)) {
    const why = 'AWS has no version with that number, and no tag says that it was retired';
    unseen.add(`what became of key ${numbers}`, 'an earlier report', why);
  }
  for (const { number, state, retired } of keys) {
    if (number === undefined) continue;
    if ((state === 'retired' || state === 'deleted') && retired === undefined)
      unseen.add(`when key ${number} was retired`, `the tag pazpaz:retired:key-v${number}`, 'it has no date');
  }
}

async function rowFacts(countRows: CollectOptions['countRows'], unseen: UnseenList): Promise<RowFacts> {
  const [what, needs] = ['how many rows each key opens', '--columns and the database'];
  if (countRows === undefined) {
    unseen.add(what, needs, 'not asked for (--no-rows)');
    return { isCounted: false, isAsked: false, why: 'not asked for (--no-rows)' };
  }
  const rows = await unseen.see(what, needs, countRows);
  for (const { numbers, why, isNoKey } of rows?.isCounted === true ? (rows.unreadKeys ?? []) : []) {
    unseen.add(
      `which rows ${keyList(numbers)} ${numbers.length === 1 ? 'opens' : 'open'}`,
      isNoKey === true ? 'a value that is a key' : 'secretsmanager:GetSecretValue, and kms:Decrypt',
      why,
    );
  }
  if (rows?.isCounted === true && rows.skipped.length > 0) {
    const tables = rows.skipped.map(({ table, reason }) => `${table} (${reason})`).join(', ');
    unseen.add('whether further columns look encrypted', 'a role that may read these tables', tables);
  }
  return rows ?? { isCounted: false, isAsked: true, why: unseen.all.at(-1)?.why ?? '' };
}

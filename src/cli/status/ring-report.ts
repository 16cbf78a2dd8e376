import type { DescribeSecretResponse, SecretVersionsListEntry } from '@aws-sdk/client-secrets-manager';
import { isKeyRotationError } from '../../format/error.ts';
import { numberOfLabel } from '../../format/key-number.ts';
import { AWS_LABELS, INCOMING_LABEL, MAX_STAGING_LABELS, type RingLabels } from '../../format/ring-labels.ts';
import { isReplica } from '../../keyring/source/secret-source.ts';
import { pendingKind, rotationAge, wholeDays } from '../../secret/rotation-status.ts';
import type { CommandDependencies } from '../aws/operator.ts';
import { madeDays, type MadeDays } from '../move/made-tag.ts';
import { abandonedVersions, rescuedVersions } from '../ring/version-tags.ts';
import { incomingVersion } from '../ring/incoming.ts';
import { lostNumbers } from '../ring/lost-numbers.ts';
import { isForgottenVersion } from '../ring/retired-tags.ts';
import { versionsWithoutKey } from './versions-without-key.ts';
import { copyVersions, retiredKeys, retirementRecords, type RetiredKey } from '../../format/retired-tag.ts';
import { describedRing, numberedWithoutKey, readableKey, type DescribedRing } from '../ring/ring.ts';
import { listVersions } from '../ring/versions.ts';

export const VERSION_STATES = [
  'current',
  'previous',
  'reads',
  'pending',
  'placeholder',
  'arriving',
  'retired',
  'abandoned',
  'copy',
  'foreign label only',
  'no label',
] as const;

type VersionState = (typeof VERSION_STATES)[number];

export interface VersionReport {
  readonly versionId: string;
  /** The lowest; absent without one. */
  readonly number?: number;
  readonly labels: readonly string[];
  /** ISO 8601, UTC. */
  readonly created?: string;
  /** Of the last read. AWS gives no time. */
  readonly lastUsed?: string;
  readonly kmsKeyIds: readonly string[];
  readonly state: VersionState;
  /** Before it was retired, as long as there is a record. */
  readonly retiredNumber?: number;
  /** When its key was made, if `move` has put that as a younger version. */
  readonly made?: string;
  /** Its value is not a key. Of numbered versions, only known where they were read. */
  readonly isNoKey?: true;
  /** Its key is on the ring under another version. */
  readonly isCopy?: true;
  /** It got its number by `adopt --version-id`, later than its age suggests. */
  readonly isRescued?: true;
}

/** A rotation takes seconds, and AWS stops retrying within hours. */
const LONGEST_ROTATION = 24 * 3_600_000;

/** Also with one of AWS's labels, which its state names instead. */
export function isIncoming({ labels }: VersionReport): boolean {
  return labels.includes(INCOMING_LABEL);
}

/** Not if the date of the version is unknown. */
export function takesTooLong(pending: VersionReport | undefined, now: Date): boolean {
  return pending?.created !== undefined && now.getTime() - Date.parse(pending.created) > LONGEST_ROTATION;
}

/** A rotation numbers the keys in use before its own, so the number of its key is the higher one. */
export function wasCurrent({ labels, number }: VersionReport, { versions, currentNumber }: RingReport): boolean {
  if (labels.includes('AWSPREVIOUS')) return true;
  const hasCurrent = versions.some(({ state }) => state === 'current');
  return number !== undefined && hasCurrent && (currentNumber === 0 || number < currentNumber);
}

interface RotationReport {
  readonly isEnabled: boolean;
  /** Of a replica: only its primary, in this region, rotates. */
  readonly primaryRegion?: string;
  readonly functionArn?: string;
  /** As it was set: `rate(…)`, `cron(…)` or `every N days`. */
  readonly schedule?: string;
  readonly last?: string;
  /** The latest moment at which the next one begins. */
  readonly next?: string;
  readonly daysSinceLast: number;
  readonly daysOverdue: number;
  /** If that is more than the days of the schedule: after a rollback, for example. */
  readonly daysOfOldKey?: number;
  /** `unknown`: the pending version cannot be read. */
  readonly pending: 'none' | 'placeholder' | 'value' | 'unknown';
}

/** Without values. */
export interface RingReport {
  readonly name: string;
  readonly arn: string;
  readonly kmsKeyId?: string;
  /** 0: no current key, or one without a number. */
  readonly currentNumber: number;
  readonly slots: { readonly free: number; readonly of: number };
  readonly rotation: RotationReport;
  /** Numbered versions first, from 1; then by age. */
  readonly versions: readonly VersionReport[];
  /** Also those whose retirement began, as long as there is a record. */
  readonly retired: readonly {
    readonly number: number;
    readonly versionId: string;
    readonly date: string;
    readonly isLeft: boolean;
    /** Another version with another key has the number: it was labelled by hand. */
    readonly numberOn?: string;
    /** A `restore` of it has begun and not ended. */
    readonly isRestoring?: true;
  }[];
  /** Numbers of the last backup without a version and without a record of a retirement */
  readonly lost?: readonly number[];
}

/** On whichever version: `move` may have given the number to another one with the same key. */
export function isNumbered({ versions }: Pick<RingReport, 'versions'>, number: number): boolean {
  return versions.some(({ labels }) => labels.includes(`key-v${number}`));
}

/** Numbers that are recorded as retired, and on the ring all the same: a retirement or a restore was interrupted. */
export function unfinishedRetirements(report: Pick<RingReport, 'retired' | 'versions'>): ReadonlySet<number> {
  const unfinished = report.retired.filter(
    ({ number, numberOn }) => isNumbered(report, number) && numberOn === undefined,
  );
  return new Set(unfinished.map(({ number }) => number));
}

type ListVersions = (secret: DescribeSecretResponse) => Promise<readonly SecretVersionsListEntry[]>;

/** All that DescribeSecret shows. */
export const labelledVersions: ListVersions = ({ VersionIdsToStages = {} }) =>
  Promise.resolve(Object.keys(VersionIdsToStages).map((VersionId) => ({ VersionId })));

interface ReportOptions {
  /** By default, it lists all versions that AWS still has. */
  readonly list?: ListVersions;
  /** Also reads the numbered versions while no rotation is under way: alarms count reads, and an auditor may read none. */
  readonly readsNumbered?: boolean;
}

/**
 * It reads these values, and keeps none: the pending version's, those in use without a number, and those of a few
 * versions without label and record. It reads the numbered ones, too, while a rotation is under way, which one that is no
 * key keeps from its end, and where the current value is no key.
 */
export async function readRingReport(
  deps: CommandDependencies,
  { list = () => listVersions(deps), readsNumbered = false }: ReportOptions = {},
): Promise<RingReport> {
  const { secret, ring } = await describedRing(deps);
  const listed = await list(secret);
  const pending = await pendingOrUnknown(deps, ring);
  const retired: RingReport['retired'][number][] = [];
  for (const { number, versionId, date, isRestoring } of retirementRecords(secret.Tags)) {
    const key = { number, versionId, date };
    const isLeft = listed.some(({ VersionId }) => VersionId === versionId);
    const numberOn = isLeft ? await otherHolder(deps, ring, key) : undefined;
    retired.push({
      ...key,
      isLeft,
      ...(numberOn === undefined ? {} : { numberOn }),
      ...(isRestoring === undefined ? {} : { isRestoring }),
    });
  }
  const rescued = rescuedVersions(secret.Tags);
  const made = madeDays(secret.Tags);
  const copies = copyVersions(secret.Tags);
  const noKeys = await versionsWithoutKey(
    deps,
    listed.filter(({ VersionId: id = '' }) => mayHoldNoKey(ring, id, pending)),
  );
  // A current value that is no key is replaced, perhaps by one of these.
  const isWrong = pending === 'placeholder' || pending === 'value' || noKeys.has(ring.current ?? '');
  const numbered = readsNumbered || isWrong ? await numberedWithoutKey(deps, ring) : [];
  const stateOf = await stateReader(deps, { secret, ring }, pending, listed);
  const lost = lostNumbers({ secret, ring });
  return {
    name: secret.Name ?? deps.secretId,
    arn: secret.ARN ?? '',
    ...(secret.KmsKeyId === undefined ? {} : { kmsKeyId: secret.KmsKeyId }),
    currentNumber: ring.numberOf.get(ring.current ?? '') ?? 0,
    slots: { free: Math.max(0, ring.freeSlots), of: MAX_STAGING_LABELS - AWS_LABELS.length },
    rotation: rotationReport(secret, deps.now(), pending, createdOf(listed, ring.current)),
    versions: listed
      .map((entry) =>
        versionReport(entry, ring, stateOf, { rescued, made, copies, noKeys: new Set([...noKeys, ...numbered]) }),
      )
      .sort(inOrder),
    retired,
    ...(lost.length === 0 ? {} : { lost }),
  };
}

/** By now, with another key. Two that cannot be read may have one key. */
async function otherHolder(
  deps: CommandDependencies,
  ring: RingLabels,
  { number, versionId }: RetiredKey,
): Promise<string | undefined> {
  const holder = ring.versionOf.get(number);
  if (holder === undefined || holder === versionId) return undefined;
  const [retired, other] = [await readableKey(deps, versionId), await readableKey(deps, holder)];
  return retired === undefined || other === undefined || other.key.equals(retired.key) ? undefined : holder;
}

async function pendingOrUnknown(deps: CommandDependencies, ring: RingLabels): Promise<RotationReport['pending']> {
  try {
    return await pendingKind(deps, ring);
  } catch (error) {
    if (isKeyRotationError(error, 'VERSION_UNREADABLE')) return 'unknown';
    throw error;
  }
}

function createdOf(listed: readonly SecretVersionsListEntry[], versionId: string | undefined): Date | undefined {
  return listed.find(({ VersionId }) => VersionId !== undefined && VersionId === versionId)?.CreatedDate;
}

function rotationReport(
  secret: DescribeSecretResponse,
  now: Date,
  pending: RotationReport['pending'],
  currentSince: Date = now,
): RotationReport {
  const { RotationRules: rules, RotationLambdaARN, LastRotatedDate, NextRotationDate } = secret;
  const { daysSinceRotation, daysOverdue } = rotationAge(secret, now);
  const days = rules?.AutomaticallyAfterDays;
  const schedule = rules?.ScheduleExpression ?? (days === undefined ? undefined : `every ${days} days`);
  const isEnabled = secret.RotationEnabled === true;
  const keyDays = wholeDays(now.getTime() - currentSince.getTime());
  return {
    isEnabled,
    ...(isReplica(secret) ? { primaryRegion: secret.PrimaryRegion ?? '' } : {}),
    ...(RotationLambdaARN === undefined ? {} : { functionArn: RotationLambdaARN }),
    ...(schedule === undefined ? {} : { schedule }),
    ...(LastRotatedDate === undefined ? {} : { last: LastRotatedDate.toISOString() }),
    ...(NextRotationDate === undefined ? {} : { next: NextRotationDate.toISOString() }),
    daysSinceLast: daysSinceRotation,
    daysOverdue: isEnabled ? daysOverdue : 0,
    ...(isEnabled && days !== undefined && keyDays > days ? { daysOfOldKey: keyDays } : {}),
    pending,
  };
}

type StateOf = (versionId: string, labels: readonly string[]) => Pick<VersionReport, 'state' | 'retiredNumber'>;

async function stateReader(
  deps: CommandDependencies,
  { secret, ring }: DescribedRing,
  pending: RotationReport['pending'],
  listed: readonly SecretVersionsListEntry[],
): Promise<StateOf> {
  const retired = retiredKeys(secret.Tags);
  const abandoned = abandonedVersions(secret.Tags);
  const copies = copyVersions(secret.Tags);
  const rescued = rescuedVersions(secret.Tags);
  const stateOf: StateOf = (versionId, labels) => {
    if (versionId === ring.current) return { state: 'current' };
    if (versionId === ring.pending) return { state: pending === 'placeholder' ? 'placeholder' : 'pending' };
    if (versionId === ring.previous) return { state: 'previous' };
    if (labels.includes(INCOMING_LABEL)) return { state: 'arriving' };
    if (ring.numberOf.has(versionId)) return { state: 'reads' };
    const record = retired.find((key) => key.versionId === versionId);
    if (record !== undefined) return { state: 'retired', retiredNumber: record.number };
    if (abandoned.has(versionId)) return { state: 'abandoned' };
    if (copies.has(versionId)) return { state: 'copy' };
    if (labels.length > 0) return { state: 'foreign label only' };
    return { state: isForgottenVersion(secret.Tags, versionId) && !rescued.has(versionId) ? 'retired' : 'no label' };
  };
  const isLoose = ({ state }: ReturnType<StateOf>): boolean => state === 'foreign label only' || state === 'no label';
  const loose = listed.filter(({ VersionId: id = '' }) => isLoose(stateOf(id, ring.stages[id] ?? [])));
  const withoutKey = await versionsWithoutKey(deps, loose);
  return (versionId, labels) => {
    const state = stateOf(versionId, labels);
    return isLoose(state) && withoutKey.has(versionId) ? { state: 'abandoned' } : state;
  };
}

/** Adoption gives a key its number, so a version without one may hold no key, and so may a pending one with a value. */
function mayHoldNoKey(ring: RingLabels, versionId: string, pending: RotationReport['pending']): boolean {
  if (ring.numberOf.has(versionId)) return false;
  if ([ring.current, ring.previous, incomingVersion(ring)].includes(versionId)) return true;
  return versionId === ring.pending && pending === 'value';
}

/** From tags and values. */
interface About {
  readonly rescued: ReadonlySet<string>;
  readonly made: MadeDays;
  readonly copies: ReadonlySet<string>;
  readonly noKeys: ReadonlySet<string>;
}

function versionReport(
  entry: SecretVersionsListEntry,
  ring: RingLabels,
  stateOf: StateOf,
  { rescued, made, copies, noKeys }: About,
): VersionReport {
  const { VersionId: versionId = '', CreatedDate, LastAccessedDate, KmsKeyIds = [] } = entry;
  // The listing may be slightly older or newer than the description.
  const labels = [...(ring.stages[versionId] ?? [])].sort(numbersFirst);
  const number = ring.numberOf.get(versionId);
  const day = made.get(number ?? 0);
  const isYounger = day !== undefined && CreatedDate !== undefined && day < CreatedDate.toISOString().slice(0, 10);
  return {
    versionId,
    ...(number === undefined ? {} : { number }),
    labels,
    ...(CreatedDate === undefined ? {} : { created: CreatedDate.toISOString() }),
    ...(LastAccessedDate === undefined ? {} : { lastUsed: LastAccessedDate.toISOString() }),
    kmsKeyIds: KmsKeyIds,
    ...stateOf(versionId, labels),
    ...(isYounger ? { made: day } : {}),
    ...(noKeys.has(versionId) ? { isNoKey: true as const } : {}),
    ...(copies.has(versionId) && number === undefined ? { isCopy: true as const } : {}),
    ...(rescued.has(versionId) ? { isRescued: true as const } : {}),
  };
}

function numbersFirst(one: string, other: string): number {
  const [a, b] = [numberOfLabel(one) ?? Infinity, numberOfLabel(other) ?? Infinity];
  return a === b ? (one < other ? -1 : 1) : a - b;
}

function inOrder(one: VersionReport, other: VersionReport): number {
  const [a, b] = [one.number ?? Infinity, other.number ?? Infinity];
  if (a !== b) return a - b;
  return (one.created ?? '') < (other.created ?? '') ? -1 : 1;
}

import type { DescribeSecretResponse } from '@aws-sdk/client-secrets-manager';
import { KeyRotationError, withoutFullStop } from '../../format/error.ts';
import type { KeyNumber } from '../../format/key-number.ts';
import { MAX_KEY_AGE } from '../../keyring/options.ts';
import { isReplica } from '../../keyring/source/secret-source.ts';
import { AWS_LABELS, type RingLabels } from '../../format/ring-labels.ts';
import type { RetirementRecord } from '../../format/retired-tag.ts';
import type { CensusResult } from '../rows/row-count.ts';
import { MOVING_LABEL } from './labels.ts';
import { unreadLine, type UnreadKeys } from '../rows/unread-keys.ts';
import { CommandRefusal, quoted, step, type NextStep } from '../suggested-commands.ts';

/**
 * Milliseconds between a retirement record and `LastChangedDate` if only that retirement changed the secret: its own
 * writes, each tried up to three times, and a minute of clock error. Beyond that, the key may have been used meanwhile.
 */
const OWN_WRITES = 2 * 60_000;

/** And nothing else has changed the secret since. */
export function hasPassedAgeCheck(record: RetirementRecord, lastChanged: Date | undefined): boolean {
  const { isForced, isRestoring = false, date } = record;
  if (isForced || isRestoring || lastChanged === undefined) return false;
  return Math.abs(lastChanged.getTime() - Date.parse(date)) <= OWN_WRITES;
}

/**
 * Throws `KEY_STILL_NEEDED` for a key with one of AWS's labels, the highest number (docs/architecture.md, invariant 4),
 * or a move that has not tagged its former version yet, which would look like a lost key.
 */
export function requireOutOfUse(ring: RingLabels, number: KeyNumber, versionId: string): void {
  const label = ring.stages[versionId]?.find((stage) => AWS_LABELS.includes(stage));
  if (label !== undefined) {
    throw new CommandRefusal(
      'KEY_STILL_NEEDED',
      `Key ${number} is ${label} (version ${versionId}), and adoption would number it again. ${wayOut(label)}`,
      label === 'AWSPENDING' ? step('rotate', '--clean-up') : step('rotate', '--wait'),
    );
  }
  if (ring.stages[versionId]?.includes(MOVING_LABEL) === true) {
    throw new CommandRefusal(
      'KEY_STILL_NEEDED',
      `A move of key ${number} is not finished: version ${versionId} is labelled ${MOVING_LABEL}. Finish it first; status ` +
        'names the command.',
      step('status'),
    );
  }
  if (number === ring.highestNumber) {
    throw new CommandRefusal(
      'KEY_STILL_NEEDED',
      `Key ${number} has the highest number on the ring, and the next number is counted from it. Rotate first; ` +
        'then retire it.',
      step('rotate', '--wait'),
    );
  }
}

function wayOut(label: string): string {
  if (label === 'AWSPENDING') return 'Take AWSPENDING off it first.';
  const moves = label === 'AWSCURRENT' ? 'two more moves' : 'one more move';
  return `It can be retired after ${moves} of AWSCURRENT: each rotation is one, and so is each put.`;
}

/** `earliest`: if nothing changes the secret or the rows until then. */
export class TooEarly extends KeyRotationError {
  readonly earliest: Date;

  constructor(earliest: Date, message: string) {
    super('TOO_EARLY_TO_RETIRE', message);
    this.earliest = earliest;
  }
}

function earliestRetirement(lastChanged: Date | undefined, now: Date): Date {
  return new Date((lastChanged ?? now).getTime() + MAX_KEY_AGE);
}

/**
 * Throws `TOO_EARLY_TO_RETIRE` for 24 hours after the last change of the secret. Every move of `AWSCURRENT` is a
 * change, so after that no writer has an outdated key.
 */
export function requireOldEnough(lastChanged: Date | undefined, now: Date): void {
  const earliest = earliestRetirement(lastChanged, now);
  if (now > earliest) return;
  throw new TooEarly(
    earliest,
    `The secret was last changed on ${(lastChanged ?? now).toISOString()}, and for 24 hours after that a process ` +
      `may still encrypt with an older key. Retire at ${earliest.toISOString()} at the earliest. Any change until ` +
      'then, including a label or a tag, restarts the 24 hours.',
  );
}

/** Otherwise AWS would refuse the first write, after a count that may take hours. Throws `IS_REPLICA`. */
export function requirePrimary(secret: DescribeSecretResponse): void {
  if (!isReplica(secret)) return;
  const region = secret.PrimaryRegion ?? '';
  throw new KeyRotationError(
    'IS_REPLICA',
    `This is a replica of '${secret.Name ?? ''}', and only its primary in ${region} can be changed: --region ${region}. ` +
      'Nothing was changed.',
  );
}

/**
 * Throws `REPLICA_BEHIND`: in the region of a replica that AWS cannot bring up to date, a process may encrypt with an
 * older key for any time.
 */
export function requireReplicas({ Name = '', ReplicationStatus = [] }: DescribeSecretResponse): void {
  const behind = ReplicationStatus.find(({ Status }) => Status !== 'InSync');
  if (behind === undefined) return;
  const { Region = '', Status = 'unknown', StatusMessage = '' } = behind;
  throw new CommandRefusal(
    'REPLICA_BEHIND',
    `The replica in ${Region} is ${Status}${StatusMessage === '' ? '' : ` (${withoutFullStop(StatusMessage)})`}, so a process ` +
      'there may still encrypt with an older key. Have AWS bring it up to date. If no process reads the secret there, ' +
      'remove the region. Then retire.',
    `aws secretsmanager remove-regions-from-replication --secret-id ${quoted(Name)} --remove-replica-regions ${Region}`,
  );
}

/**
 * Throws `TOO_EARLY_TO_RETIRE` for 24 hours after a row was re-encrypted from the key: a request that read the row before may
 * still write it back, and a row that was written late shows a process that may do so again.
 */
export function requireSettled({ reencryptedFrom }: CensusResult, numbers: readonly KeyNumber[], now: Date): void {
  for (const number of numbers) {
    const last = reencryptedFrom?.get(number);
    const earliest = earliestRetirement(last, now);
    if (last === undefined || now > earliest) continue;
    throw new TooEarly(
      earliest,
      `Rows were re-encrypted from key ${number} until ${last.toISOString()}. A request that had read such a row before may still ` +
        `write it back. Retire it at ${earliest.toISOString()} at the earliest.`,
    );
  }
}

/** Also for a row that cannot be attributed to another key. Throws `ROWS_STILL_NEED_KEY`. */
export function requireNoRows(census: CensusResult, numbers: readonly KeyNumber[]): void {
  const found = [
    ...numbers.map((number) => [census.rowsByNumber.get(number) ?? 0, `of key ${number}`] as const),
    [census.rowsWithNumberZero, 'with number 0'] as const,
    [census.legacyRows, 'without a number (older data)'] as const,
    [census.unattributableRows, `that no key opens${isBlind(census) ? ' of those that could be read' : ''}`] as const,
    ...[...numbers, 0].map(
      (number) =>
        [
          census.nestedByNumber?.get(number) ?? 0,
          'whose plaintext has a ciphertext in it that ' +
            `${number === 0 ? 'a key without a number' : `key ${number}`} opens`,
        ] as const,
    ),
  ].filter(([rows]) => rows > 0);
  if (found.length === 0 && census.isComplete) return;
  const rows = found.map(([count, what]) => `${count} row${count === 1 ? '' : 's'} ${what}`);
  const unseen = census.isComplete ? [] : ['rows that the census cannot see'];
  const [next, advice] = wayOutOf(census, numbers);
  throw new CommandRefusal(
    'ROWS_STILL_NEED_KEY',
    `The census found ${[...rows, ...unseen].join(', ')}. ${advice.join(' ')}`,
    next,
  );
}

/**
 * Throws `NO_CENSUS` for a key that could not be read: where a ciphertext of it is inside another value, nothing shows
 * that it needs this key.
 */
export function requireReadable(census: CensusResult, numbers: readonly KeyNumber[]): void {
  const unread = unreadOf(census, numbers);
  if (unread.length === 0) return;
  throw new CommandRefusal(
    'NO_CENSUS',
    `${unread.map(unreadLine).join(' ')} Ciphertexts of it inside other values cannot be found either. Make it readable first. ` +
      'If its value is gone for good (a deleted KMS key, for example), pass --unread-is-fine: what needs it is lost in any case.',
    step('doctor'),
  );
}

export function unreadOf({ unreadKeys = [] }: CensusResult, numbers: readonly number[]): readonly UnreadKeys[] {
  return unreadKeys
    .map((unread) => ({ ...unread, numbers: unread.numbers.filter((number) => numbers.includes(number)) }))
    .filter((unread) => unread.numbers.length > 0);
}

/** Whether a row that no key opens may open with one that could not be read. */
function isBlind({ unattributableRows, unreadKeys = [] }: CensusResult): boolean {
  return unattributableRows > 0 && unreadKeys.length > 0;
}

/** The command that comes first, and what to do about each kind of row. */
function wayOutOf(census: CensusResult, numbers: readonly KeyNumber[]): readonly [NextStep, readonly string[]] {
  const { rowsByNumber, nestedByNumber, unreadKeys = [] } = census;
  const isMovable =
    census.rowsWithNumberZero + census.legacyRows > 0 || numbers.some((number) => (rowsByNumber.get(number) ?? 0) > 0);
  const isNested = [...numbers, 0].some((number) => (nestedByNumber?.get(number) ?? 0) > 0);
  const advice = [
    [isMovable, 'Move rows to the current key first; then retire.'],
    ...unreadKeys.map((keys) => [isBlind(census), `${unreadLine(keys)} Make it readable first.`] as const),
    [
      census.unattributableRows > 0 && !isBlind(census),
      'No command can re-encrypt rows that no key opens: census lists them. Check their context, restore the key that they name, or delete them.',
    ],
    [
      isNested,
      'Only the application can re-encrypt a ciphertext inside a plaintext: let it decrypt the inner value and write the row again.',
    ],
    ...(census.unseen ?? []).map((why) => [true, `${why}.`] as const),
    [
      !census.isComplete,
      'To see every row, connect to the primary server as a role that may read the whole table, once what is named has ended.',
    ],
  ] as const;
  const next = isBlind(census) ? 'doctor' : isMovable ? 'reencrypt' : 'census';
  return [step(next), advice.filter(([is]) => is).map(([, sentence]) => sentence)];
}

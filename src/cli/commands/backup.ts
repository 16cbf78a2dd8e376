import { KeyRotationError } from '../../format/error.ts';
import { refused } from '../../secret/aws-error.ts';
import { adopt } from '../../secret/adopt.ts';
import { kmsFor, requireKmsKey } from '../aws/kms-client.ts';
import type { CommandDependencies } from '../aws/operator.ts';
import { backupRecord, backupTag, type BackupRecord } from '../backup/backup-tag.ts';
import { encryptFor, type BackupRecipient } from '../backup/encrypted-file.ts';
import { kmsRecipient } from '../backup/kms-recipient.ts';
import { backupText } from '../backup/ring-backup.ts';
import { readRing } from '../backup/read-ring.ts';
import { command, someText, wrongUsage } from '../command.ts';
import { COUNT, listOf, object, TEXT } from '../json/shapes.ts';
import { requireNewFile, writeNewFile } from '../new-file.ts';
import { finishIncoming, slotsForIncoming } from '../ring/incoming.ts';
import { requireSeen } from '../ring/look-again.ts';
import {
  describedRing,
  LONGEST_DELAY,
  noCurrentKey,
  onFreshRing,
  requireSlots,
  type DescribedRing,
} from '../ring/ring.ts';
import { requireRoom } from '../ring/tags.ts';
import { CommandRefusal, step } from '../suggested-commands.ts';
import { capitalized, keyList } from '../terminal/table.ts';

interface BackupFlags {
  readonly to: string;
  readonly recipient?: readonly string[];
  readonly kmsKeyId?: readonly string[];
}

export const BACKUP = command<BackupFlags>({
  name: 'backup',
  summary: 'Write all keys of the ring, with their numbers, to an encrypted file',
  details:
    'The file is in the age format. It is encrypted for each --recipient (a public key of age-keygen) and each ' +
    '--kms-key-id (preferably of another account or region). Any one of them opens it, and restore-ring restores it. ' +
    'A tag of the secret records which keys it holds; doctor then names keys that no backup has.',
  examples: [
    'pazpaz-keys backup --to ring.age --recipient age15mstcp9cdfw4h050t067jqrdmddsh8zjne7aqtkf5yr6g3h4tqzs3pu54v',
    'pazpaz-keys backup --to ring.age --kms-key-id arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab',
  ],
  result: object({ file: TEXT, madeAt: TEXT, numbers: listOf(COUNT) }),
  writes: 'at once',
  setUp: (program) =>
    program
      .requiredOption('--to <file>', 'a file that does not exist yet', someText)
      .option('--recipient <age1…>', 'a public key that can open it; may be repeated', repeated)
      .option('--kms-key-id <arn>', 'a KMS key that can open it; may be repeated', repeated),
  run: async ({ deps, region }, options) => {
    const recipients = [
      ...(options.recipient ?? []),
      ...(options.kmsKeyId ?? []).map((keyId) =>
        kmsRecipient(requireKmsKey('--kms-key-id', keyId), kmsFor(options, region)),
      ),
    ];
    if (recipients.length === 0) wrongUsage('Who can open the backup? Name a --recipient or a --kms-key-id.');
    await requireNewFile(options.to);
    const write = options.dryRun === true ? requireNewFile : writeNewFile;
    const result = await runBackup(deps, { file: options.to, recipients, write });
    const written = `${capitalized(keyList(result.numbers))}: in ${result.file}.`;
    return { result, lines: () => [written], file: result.file };
  },
});

function repeated(text: string, before: readonly string[] = []): readonly string[] {
  return [...before, someText(text)];
}

interface BackupOptions {
  readonly file: string;
  readonly recipients: readonly BackupRecipient[];
  /** Writes a new file. Rejects if it exists. */
  readonly write: (path: string, bytes: Uint8Array) => Promise<void>;
}

export interface BackupResult {
  readonly file: string;
  readonly madeAt: string;
  readonly numbers: readonly number[];
}

/**
 * Numbers the keys in use, reads every key of the ring, and writes them to an encrypted file. The tag that records the
 * backup is set last, so that it never names a key that is in no file. Throws `RING_KEY_UNREADABLE` if a key cannot be
 * read, `NO_CURRENT_KEY` on a secret without a value, and `TOO_MANY_TAGS`; then nothing is written.
 */
export async function runBackup(
  deps: CommandDependencies,
  { file, recipients, write }: BackupOptions,
): Promise<BackupResult> {
  let secret: DescribedRing['secret'] = {};
  const { ring } = await onFreshRing(deps, async (fresh) => {
    if (fresh.ring.current === undefined) throw noCurrentKey(deps.secretId, 'so there is nothing to back up');
    await requireSlots(deps, fresh.ring, await slotsForIncoming(deps, fresh.ring));
    requireRoom(fresh.secret.Tags ?? [], [backupTag({ date: '', numbers: [] }).Key ?? '']);
    secret = fresh.secret;
    return finishIncoming(deps, await adopt(deps, fresh.ring));
  });
  const backup = await readRing(deps, { secret, ring });
  const numbers = backup.keys.flatMap((key) => key.numbers).sort((one, other) => one - other);
  await write(file, await encryptFor(recipients, backupText(backup)));
  const later = await recorded(deps, secret, { file, date: backup.madeAt, numbers });
  const missing = [...later.ring.versionOf.keys()].filter((number) => !numbers.includes(number));
  if (missing.length > 0) {
    throw new CommandRefusal(
      'STATE_CHANGED',
      `Since then, the ring has gained ${keyList(missing)}, which ${file} lacks. Otherwise the file is complete. Make ` +
        'another one.',
      step('backup', '--to', 'FILE', '--recipient', 'RECIPIENT'),
    );
  }
  return { file, madeAt: backup.madeAt, numbers };
}

/** Days after which the tag is renewed if no key was added. Each change of a tag delays a retirement by a day. */
const TAG_DAYS = 7;

/** Records the backup in a tag where that says anything new. Resolves to a description from after the backup. */
async function recorded(
  deps: CommandDependencies,
  { Tags }: DescribedRing['secret'],
  { file, date, numbers }: BackupRecord & { readonly file: string },
): Promise<DescribedRing> {
  const last = backupRecord(Tags);
  const age = last === undefined ? Infinity : Date.parse(date) - Date.parse(last.date);
  if (last?.numbers.join() === numbers.join() && age < TAG_DAYS * 24 * 3_600_000) {
    await deps.sleep(LONGEST_DELAY);
    return describedRing(deps);
  }
  await deps.secrets
    .tagResource({ SecretId: deps.secretId, Tags: [backupTag({ date, numbers })] })
    .catch((error: unknown) => {
      const { code, message } = refused('TagResource', deps.secretId, error);
      throw new KeyRotationError(code, `The backup is complete in ${file}, but no tag records it. ${message}`, {
        cause: error,
      });
    });
  return requireSeen(
    deps,
    `The backup is in ${file}.`,
    ({ secret }) => (backupRecord(secret.Tags)?.date ?? '') >= date,
  );
}

import { moveKeys, type MoveResult } from '../move/move-keys.ts';
import { command, someText, wrongUsage } from '../command.ts';
import { COUNT, DATE, described, listOf, object, TEXT, YES_OR_NO } from '../json/shapes.ts';
import { MANAGED_ALIAS, MANAGED_KEY } from '../ring/kms-keys.ts';
import { describedRing } from '../ring/ring.ts';
import { step } from '../suggested-commands.ts';
import { capitalized, keyList, wrapped } from '../terminal/table.ts';

interface MoveFlags {
  readonly kmsKeyId: string;
}

/** A key, never an alias, which may name another key tomorrow: only AWS's own always means the same. */
const KMS_KEY = /^(arn:[^:]+:kms:[^:]+:\d{12}:key\/)?[a-z0-9-]+$/;

const DAY = 24 * 3_600_000;

export const MOVE = command<MoveFlags>({
  name: 'move',
  summary: 'Bring the whole ring under another KMS key',
  details:
    'Changing the KMS key of the secret re-encrypts only keys in use. This also moves every other number: it stores the key as ' +
    'another version under the new KMS key, compares both, and then moves the number. Rows can be read at every ' +
    'moment. The stack must know both KMS keys first. If it is killed, run it again.',
  examples: [
    'pazpaz-keys move --kms-key-id arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab --dry-run',
    'pazpaz-keys move --kms-key-id 1234abcd-12ab-34cd-56ef-1234567890ab --yes',
  ],
  result: object(
    {
      kmsKeyId: TEXT,
      moved: listOf(object({ number: COUNT, from: TEXT, to: TEXT })),
      under: described('Numbers that are under the KMS key now', listOf(COUNT)),
      left: described(
        'Keys that still need another KMS key',
        listOf(
          object({
            numbers: listOf(COUNT),
            versionId: TEXT,
            kmsKeyIds: listOf(TEXT),
            isInUse: described('Only AWS re-encrypts it, or two more rotations and another move', YES_OR_NO),
          }),
        ),
      ),
      former: described('Other KMS keys of versions that AWS still has', listOf(TEXT)),
      retiredElsewhere: described('Retired keys that can be restored only with a former KMS key', listOf(COUNT)),
      unnumberedElsewhere: described(
        'Versions without a number under a former KMS key: a label that is not of the ring, or perhaps a lost key',
        listOf(object({ versionId: TEXT, labels: listOf(TEXT) })),
      ),
    },
    { canDisableFrom: described('When the former KMS keys may be disabled, as far as this ring needs them', DATE) },
  ),
  writes: 'asks',
  setUp: (program) =>
    program.requiredOption('--kms-key-id <key>', `ARN or id of the KMS key, or ${MANAGED_ALIAS}`, someText),
  run: async ({ deps, changes }, { kmsKeyId, dryRun }) => {
    if (kmsKeyId !== MANAGED_ALIAS && !KMS_KEY.test(kmsKeyId))
      wrongUsage('Name the KMS key by its ARN or its id. An alias may name another key tomorrow.');
    const done = await moveKeys(deps, kmsKeyId);
    // A run that moves nothing must not begin the day again.
    const { LastChangedDate } = (await describedRing(deps)).secret;
    const changedAt = changes.length === 0 && LastChangedDate !== undefined ? LastChangedDate : deps.now();
    const canDisableFrom = new Date(changedAt.getTime() + DAY).toISOString();
    const isOver = done.left.length === 0 && done.former.some((id) => id !== MANAGED_KEY);
    return {
      result: { ...done, ...(isOver ? { canDisableFrom } : {}) },
      lines: () => screen(done, isOver ? canDisableFrom : undefined),
      exitCode: dryRun !== true && done.left.length > 0 ? 1 : 0,
      next: [step('status'), step('doctor')],
    };
  },
});

function screen(result: MoveResult, canDisableFrom: string | undefined): readonly string[] {
  const { kmsKeyId, moved, under, left, retiredElsewhere, unnumberedElsewhere } = result;
  const former = result.former.filter((id) => id !== MANAGED_KEY);
  const isOffManaged = left.length === 0 && former.length === 0 && result.former.length > 0;
  return [
    ...(moved.length === 0 ? [] : [`${capitalized(keyList(moved.map(({ number }) => number)))}: moved.`]),
    ...(under.length === 0 ? [] : [`${capitalized(keyList(under))}: under ${kmsKeyId}.`]),
    ...left.map(
      ({ numbers, kmsKeyIds, isInUse }) =>
        `${capitalized(keyList(numbers))}: still under ${kmsKeyIds.join(', ') || 'an unknown KMS key'}. ` +
        (isInUse
          ? 'It is in use, and AWS has not re-encrypted it. After two more rotations, run this again.'
          : 'Run this again.'),
    ),
    ...(isOffManaged
      ? [
          'No key of the ring needs the KMS key that AWS manages.',
          '  the stack: ExistingKmsKeyArn must name the new KMS key, or the next deploy goes back.',
        ]
      : []),
    ...(canDisableFrom === undefined
      ? []
      : [
          ...wrapped(
            `No key of the ring needs ${former.join(', ')}. Processes forget the former versions within a day: from ` +
              `${canDisableFrom} on it may be disabled, if nothing else needs it:`,
          ),
          '  the stack: ExistingKmsKeyArn must name the new KMS key, or the next deploy goes back;',
          '  replicas, which have KMS keys of their own; backups that only it can open: make another one;',
          retiredElsewhere.length === 0
            ? '  retired keys: none that AWS still has.'
            : `  retired keys: restore of ${keyList(retiredElsewhere)} needs it.`,
          ...unnumberedElsewhere.map(
            ({ versionId, labels }) =>
              `  version ${versionId}: ` +
              (labels.length === 0
                ? 'it has no number, and needs it if it holds a key (status).'
                : `whatever reads it by its label ${labels.join(', ')} needs it.`),
          ),
        ]),
  ];
}

import { kmsFor } from '../aws/kms-client.ts';
import { bringKeys, type BroughtKeys } from '../backup/bring-keys.ts';
import { bytesOf, decryptWith, identitiesIn } from '../backup/encrypted-file.ts';
import { kmsIdentity } from '../backup/kms-recipient.ts';
import { parseBackup } from '../backup/ring-backup.ts';
import { command, someText } from '../command.ts';
import { COUNT, described, listOf, object, TEXT } from '../json/shapes.ts';
import { step } from '../suggested-commands.ts';
import { printable } from '../terminal/paint.ts';
import { capitalized, keyList, wrapped } from '../terminal/table.ts';

interface RestoreRingFlags {
  readonly identity?: string;
  readonly retired?: boolean;
}

export const RESTORE_RING = command<RestoreRingFlags>({
  name: 'restore-ring',
  summary: 'Restore the keys of a backup, each with its number',
  details:
    'On a secret without a value, it restores the whole ring, and the key that was current becomes current again. On ' +
    'an existing ring, it adds the missing keys; they only decrypt. It refuses a backup of another ring. Keys that were ' +
    'retired on this ring stay retired without --retired.',
  examples: [
    'pazpaz-keys restore-ring ring.age --identity age-key.txt --secret-id pazpaz/encryption-key-new --yes',
    'pazpaz-keys restore-ring ring.age --dry-run',
  ],
  result: object(
    {
      brought: listOf(COUNT),
      wereThere: listOf(COUNT),
      taken: described('Numbers that name another key on this ring', listOf(COUNT)),
      retired: listOf(COUNT),
      notInBackup: listOf(COUNT),
      backupMadeAt: described('As the file says', TEXT),
    },
    { current: COUNT, currentInBackup: COUNT },
  ),
  writes: 'asks',
  setUp: (program) =>
    program
      .argument('<file>', 'a file of pazpaz-keys backup', someText)
      .option('--identity <file>', 'private keys of age-keygen (default: the KMS keys that the file names)', someText)
      .option('--retired', 'also bring back keys that were retired on this ring'),
  run: async ({ deps, region, changes }, options, [file = '']) => {
    const identities =
      options.identity === undefined ? [kmsIdentity(kmsFor(options, region))] : await identitiesIn(options.identity);
    const backup = parseBackup(await decryptWith(identities, await bytesOf(file)));
    const { current, ...brought } = await bringKeys(deps, backup, { withRetired: options.retired === true });
    const currentInBackup = backup.keys.find(({ isCurrent }) => isCurrent)?.numbers[0];
    const result = {
      ...brought,
      backupMadeAt: backup.madeAt,
      ...(current === undefined ? {} : { current }),
      ...(currentInBackup === undefined ? {} : { currentInBackup }),
    };
    // A ring that has other keys was not lost.
    const hasOthers = brought.notInBackup.length + brought.taken.length > 0;
    const mayLack = brought.brought.length > 0 && !hasOthers;
    return {
      result,
      lines: () => [
        ...(options.dryRun === true && changes.length === 0 ? ['Dry run, nothing was changed.'] : []),
        ...screen({ ...brought, current }, currentInBackup, options.dryRun === true),
        ...(mayLack ? laterKeys(backup.madeAt) : []),
      ],
      exitCode: brought.taken.length > 0 ? 1 : 0,
      showsInDryRun: true,
      next: [...(mayLack ? [step('census')] : []), step('status'), step('doctor')],
    };
  },
});

/** A rotation counts its number from the highest on the ring. */
function laterKeys(madeAt: string): readonly string[] {
  return wrapped(
    `The backup was made on ${printable(madeAt)}: keys made since are not in it. Before the next rotation, which would ` +
      'give their numbers to other keys, count the rows (census). KEY_NEVER_ISSUED: these rows need a newer backup.',
  );
}

function screen(
  { brought, wereThere, taken, retired, notInBackup, current }: BroughtKeys,
  currentInBackup: number | undefined,
  isDryRun: boolean,
): readonly string[] {
  const line = (numbers: readonly number[], what: string): readonly string[] =>
    numbers.length === 0 ? [] : [`${capitalized(keyList(numbers))}: ${what}.`];
  return [
    ...line(brought, isDryRun ? 'would be restored from the backup' : 'restored from the backup'),
    ...(brought.length > 0 ? [] : [isDryRun ? 'No key would be restored.' : 'No key of the backup was restored.']),
    ...line(wereThere, 'on the ring already, with the same key'),
    ...line(
      taken,
      'not restored, because the number names another key on this ring. put --not-current adds the key; then re-encrypt',
    ),
    ...line(retired, 'retired on this ring, and not restored'),
    ...line(notInBackup, 'on the ring, and not in the backup'),
    ...(current === currentInBackup
      ? current === undefined || isDryRun
        ? []
        : [`Key ${current} is current, as in the backup.`]
      : [
          `Key ${current ?? 'without a number'} is current. In the backup it was key ${currentInBackup ?? 'without a number'}.`,
        ]),
  ];
}

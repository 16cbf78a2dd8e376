import { kmsClient } from '../aws/kms-client.ts';
import { bringKeys, type BroughtKeys } from '../backup/bring-keys.ts';
import { bytesOf, decryptWith, identitiesIn } from '../backup/encrypted-file.ts';
import { kmsIdentity } from '../backup/kms-recipient.ts';
import { parseBackup } from '../backup/ring-backup.ts';
import { command, someText } from '../command.ts';
import { COUNT, listOf, object } from '../json/shapes.ts';
import { step } from '../suggested-commands.ts';
import { capitalized, keyList } from '../terminal/table.ts';

interface RestoreRingFlags {
  readonly identity?: string;
}

export const RESTORE_RING = command<RestoreRingFlags>({
  name: 'restore-ring',
  summary: 'Bring the keys of a backup back, each with its number',
  details:
    'Into a secret without a value it brings the whole ring, and the key that was current becomes current again. Into ' +
    'a ring it brings the keys that this lacks; they only decrypt. It refuses a backup of another ring. Keys that were ' +
    'retired on this ring stay retired: restore brings those back.',
  examples: [
    'pazpaz-keys restore-ring ring.age --identity age-key.txt --secret-id pazpaz/encryption-key-new --yes',
    'pazpaz-keys restore-ring ring.age --dry-run',
  ],
  result: object(
    { brought: listOf(COUNT), wereThere: listOf(COUNT), retired: listOf(COUNT) },
    { current: COUNT, currentInBackup: COUNT },
  ),
  writes: 'asks',
  setUp: (program) =>
    program
      .argument('<file>', 'a file of pazpaz-keys backup', someText)
      .option('--identity <file>', 'private keys of age-keygen (default: the KMS key that the file names)', someText),
  run: async ({ deps, region }, options, [file = '']) => {
    const identities =
      options.identity === undefined
        ? [kmsIdentity((other) => kmsClient(options, other ?? region))]
        : await identitiesIn(options.identity);
    const backup = parseBackup(await decryptWith(identities, await bytesOf(file)));
    const { current, ...brought } = await bringKeys(deps, backup);
    const currentInBackup = backup.keys.find(({ isCurrent }) => isCurrent)?.numbers[0];
    const result = {
      ...brought,
      ...(current === undefined ? {} : { current }),
      ...(currentInBackup === undefined ? {} : { currentInBackup }),
    };
    return {
      result,
      lines: () => screen({ ...brought, current }, currentInBackup),
      next: [step('status'), step('doctor')],
    };
  },
});

function screen(
  { brought, wereThere, retired, current }: BroughtKeys,
  currentInBackup: number | undefined,
): readonly string[] {
  return [
    brought.length === 0
      ? 'No key of the backup was missing.'
      : `${capitalized(keyList(brought))} of the backup: on the ring.`,
    ...(wereThere.length === 0 ? [] : [`${capitalized(keyList(wereThere))}: on the ring already, with the same key.`]),
    ...(retired.length === 0
      ? []
      : [`${capitalized(keyList(retired))}: retired on this ring; restore brings it back.`]),
    ...(current === currentInBackup
      ? []
      : [
          `Key ${current ?? 'without a number'} is current. In the backup it was key ${currentInBackup ?? 'without a number'}.`,
        ]),
  ];
}

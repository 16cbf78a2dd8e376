import { generateIdentity, identityToRecipient } from 'age-encryption';
import { runAdopt } from '../../../src/cli/commands/adopt.ts';
import type { MaintainedRows } from '../../../src/cli/rows/maintained-rows.ts';
import type { Census } from '../../../src/cli/rows/row-count.ts';
import { runCleanUp } from '../../../src/cli/ring/clean-up.ts';
import { givenText, type GivenValue } from '../../../src/cli/ring/supplied-key.ts';
import { runMaintain } from '../../../src/cli/ring/maintenance.ts';
import type { Note } from '../../../src/cli/status/note.ts';
import { recommended } from '../../../src/cli/status/notes.ts';
import type { NextStep } from '../../../src/cli/suggested-commands.ts';
import { runBackup } from '../../../src/cli/commands/backup.ts';
import { runPut, runPutNotCurrent } from '../../../src/cli/commands/put.ts';
import { runRestore } from '../../../src/cli/commands/restore.ts';
import { runRetire } from '../../../src/cli/commands/retire.ts';
import { runRollback } from '../../../src/cli/commands/rollback.ts';
import { runRotate } from '../../../src/cli/commands/rotate.ts';
import { runStatus } from '../../../src/cli/commands/status.ts';
import type { CommandDependencies } from '../../../src/cli/aws/operator.ts';
import { bringKeys } from '../../../src/cli/backup/bring-keys.ts';
import { decryptWith } from '../../../src/cli/backup/encrypted-file.ts';
import { backedUpKey, parseBackup, type RingBackup } from '../../../src/cli/backup/ring-backup.ts';
import { moveKeys } from '../../../src/cli/move/move-keys.ts';
import { toKeyNumber } from '../../../src/format/key-number.ts';
import { adoptAndReport } from '../../../src/steps/adoption.ts';
import { createSecret } from '../../../src/steps/create-secret.ts';
import { finishSecret } from '../../../src/steps/finish-secret.ts';
import type { Step } from '../../../src/steps/rotation-request.ts';
import { setSecret } from '../../../src/steps/set-secret.ts';
import { testSecret } from '../../../src/steps/test-secret.ts';
import { keyText, versionIdOf } from './letters.ts';
import { SECRET_ARN } from './program.ts';

/**
 * The product as an exploration runs it, without the handler's logging and the command line's screens. A mutant is a
 * build of this very file with one check taken out.
 */
export type Product = typeof product;

/**
 * What can be run besides the four steps: the Lambda's own adoption, and commands as an operator types them; the key of
 * a `put` and the version of an `adopt` may be a letter (letters.ts). The file of `restore-ring` is spelled by the letters of
 * its keys, number 1 first; the last one was current.
 */
export type CommandLine =
  | 'adoption'
  | 'adopt'
  | `adopt --version-id ${string}`
  | `put ${string}`
  | `put --not-current ${string}`
  | 'rollback'
  | 'rollback --undo'
  | `retire ${number}`
  | `retire ${number} ${number}`
  | `retire --force ${number}`
  | `retire --force ${number} ${number}`
  | `restore ${number}`
  | `restore ${number} ${number}`
  | 'rotate'
  | 'rotate --clean-up'
  | 'maintain'
  | 'backup'
  | `restore-ring ${string}`
  | `restore-ring --retired ${string}`
  | `move --kms-key-id ${string}`;

const STEP = { createSecret, setSecret, testSecret, finishSecret };

/** Every row was brought to the current key before, so that a retirement is held up by the key ring alone. */
const census: Census = () =>
  Promise.resolve({
    rowsByNumber: new Map(),
    rowsWithNumberZero: 0,
    legacyRows: 0,
    unattributableRows: 0,
    counted: [],
    isComplete: true,
  });

const NO_ROWS: MaintainedRows = {
  leftByLast: () => Promise.resolve(0),
  reencrypt: () => Promise.resolve([]),
  census,
};

export const product = {
  runStep: (deps: CommandDependencies, step: Step, token: string): Promise<void> =>
    STEP[step](deps, { step, secretId: deps.secretId, token, rotationToken: undefined }),

  /** Throws an error without a code for a line that is none. */
  runCommand: (deps: CommandDependencies, line: string, rows = NO_ROWS): Promise<unknown> => {
    const words = line.split(' ');
    if (words[0] === 'retire') return retired(deps, words.slice(1), rows);
    if (words[0] === 'restore') return runRestore(deps, ...words.slice(1).map((word) => toKeyNumber(Number(word))));
    const last = words.pop() ?? '';
    switch (words.join(' ')) {
      case '':
        return withoutArgument(deps, last, rows);
      case 'rotate':
        return last === '--clean-up' ? runCleanUp(deps) : runRotate(deps);
      case 'rollback':
        return runRollback(deps, { undo: true });
      case 'adopt --version-id':
        return runAdopt(deps, { versionId: last.length === 1 ? versionIdOf(last) : last });
      case 'put':
        return runPut(deps, given(last));
      case 'put --not-current':
        return runPutNotCurrent(deps, given(last));
      case 'restore-ring':
        return bringKeys(deps, backup(last));
      case 'restore-ring --retired':
        return bringKeys(deps, backup(last), { withRetired: true });
      case 'move --kms-key-id':
        return moveKeys(deps, last);
      default:
        throw new Error(`no command: ${line}`);
    }
  },

  advice: async (
    deps: CommandDependencies,
  ): Promise<{ readonly notes: readonly Note[]; readonly command: NextStep | undefined }> => {
    const { notes } = await runStatus(deps);
    return { notes, command: recommended(notes) };
  },
};

function retired(deps: CommandDependencies, words: readonly string[], rows: MaintainedRows): Promise<unknown> {
  const numbers = words.filter((word) => word !== '--force').map((word) => toKeyNumber(Number(word)));
  return runRetire(deps, rows.census, { numbers, force: words.includes('--force') });
}

function withoutArgument(deps: CommandDependencies, line: string, rows: MaintainedRows): Promise<unknown> {
  switch (line) {
    case 'adoption':
      return adoptAndReport(deps);
    case 'adopt':
      return runAdopt(deps, {});
    case 'rollback':
      return runRollback(deps, {});
    case 'rotate':
      return runRotate(deps);
    case 'backup':
      return backedUp(deps);
    case 'maintain':
      return runMaintain(deps, rows, { keep: 2, retire: 'do' });
    default:
      throw new Error(`no command: ${line}`);
  }
}

const IDENTITY = generateIdentity();
const RECIPIENT = IDENTITY.then(identityToRecipient);

/** Which key the file of a backup holds under each number. */
async function backedUp(deps: CommandDependencies): Promise<{ readonly backedUp: Readonly<Record<string, string>> }> {
  const identity = await IDENTITY;
  let file = new Uint8Array();
  await runBackup(deps, {
    file: 'ring.age',
    recipients: [await RECIPIENT],
    write: (_, bytes) => {
      file = Uint8Array.from(bytes);
      return Promise.resolve();
    },
  });
  const { keys } = parseBackup(await decryptWith([identity], file));
  const held = keys.flatMap(({ numbers, key }) =>
    numbers.map((number) => [`${number}`, key.exportBytes().toString('base64')] as const),
  );
  return { backedUp: Object.fromEntries(held) };
}

const BACKUPS = new Map<string, RingBackup>();

function backup(letters: string): RingBackup {
  const known = BACKUPS.get(letters) ?? {
    secret: SECRET_ARN,
    madeAt: '2026-01-01T00:00:00.000Z',
    keys: Array.from(letters, (letter, index) =>
      backedUpKey([toKeyNumber(index + 1)], index === letters.length - 1, { SecretString: keyText(letter) }),
    ),
  };
  BACKUPS.set(letters, known);
  return known;
}

/** Keys are made once: every command is run from its start again and again. */
const KEYS = new Map<string, GivenValue>();

function given(letter: string): GivenValue {
  const known = KEYS.get(letter) ?? givenText(keyText(letter), 'The exploration');
  KEYS.set(letter, known);
  return known;
}

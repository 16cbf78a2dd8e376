import type { NoteCode } from '../status/note.ts';
import { notesOn } from '../status/notes.ts';
import { takesTooLong, wasCurrent, type RingReport } from '../status/ring-report.ts';
import { grouped, rowCount, UNSEARCHED } from '../rows/census-screen.ts';
import { keyList } from '../terminal/table.ts';
import type { EventCode, Evidence, Remark, RowFacts, Verdict } from './evidence.ts';
import { keysOnRing, numbersOf } from './keys.ts';
import { ACTIONS } from './sources/access.ts';
import { foreignersIn, policyAnswer, strangerIn, strangersIn, verdictOf } from './sources/secret-policy.ts';
import { UNREAD_KEY, WITHOUT_CENSUS } from './history.ts';
import { rowsByKey, rowSums } from './rows.ts';

/** Everything of a report but its verdict. */
export type Facts = Omit<Evidence, 'verdict'>;

/** Says first what a reader wants to know first. `report` is the ring that the facts were read from. */
export function verdictOn(facts: Facts, report: RingReport): Verdict {
  const stuck = stuckRotation(facts, report);
  const notes = notesOn(report).filter(({ code }) => stuck.length === 0 || !UNDER_WAY.includes(code));
  const overdue = [
    ...notes.filter(({ weight }) => weight === 'warning').map(({ code, text }) => ({ code, text })),
    ...stuck,
    ...failedRotation(facts),
    ...replicaProblems(facts),
    ...policyProblems(facts),
    ...rowProblems(facts),
    ...kmsProblems(facts),
    ...alarmProblems(facts),
  ];
  const notices = [
    ...notes.filter(({ weight }) => weight === 'notice').map(({ code, text }) => ({ code, text })),
    ...rowNotices(facts),
    ...copyNotices(facts),
    ...backupNotices(facts),
    ...foreignNotices(facts),
    ...conditionNotices(facts),
    ...forcedNotices(facts),
    ...settingNotices(facts),
    ...unseenNotice(facts),
  ];
  return {
    sentence: `${leadOf(overdue.length, facts.unseen.length)} ${standing(facts).join(', ')}.`,
    overdue,
    notices,
  };
}

function leadOf(overdue: number, unseen: number): string {
  if (overdue === 1) return 'One thing is overdue or wrong (see below);';
  if (overdue > 0) return `${overdue} things are overdue or wrong (see below);`;
  return unseen === 0 ? 'Nothing is overdue:' : 'Nothing that could be seen is overdue:';
}

/** Which key encrypts, how many decrypt, and whether the rows open. */
function standing(facts: Facts): readonly string[] {
  const { secret, keys, rows } = facts;
  const onRing = keysOnRing(keys);
  const { values, unreadable } = rowSums(rows, secret.currentNumber);
  return [
    `${currentKey(facts)} encrypts new data`,
    onRing.length === 1
      ? 'one key decrypts'
      : onRing.length === 0
        ? 'no key decrypts'
        : `${onRing.length} keys decrypt`,
    !rows.isCounted
      ? 'and the rows were not counted'
      : values === 0
        ? 'and no row with data was found'
        : unreadable === 0
          ? `and every one of ${rowCount(values)} with data opens with one of them`
          : `and ${grouped(values - unreadable)} of ${rowCount(values)} with data open with ${unreadOf(rows).length === 0 ? 'one of them' : 'the keys that could be read'}`,
  ];
}

/** For the beginning of a sentence after `;`. */
export function currentKey({ secret, keys }: Pick<Facts, 'secret' | 'keys'>): string {
  if (secret.currentNumber > 0) return `key ${secret.currentNumber}`;
  return keysOnRing(keys).some(({ state }) => state === 'current') ? 'a key without a number' : 'no key';
}

/** The keys that a count could not read. */
function unreadOf(rows: RowFacts): readonly number[] {
  return rows.isCounted ? (rows.unreadKeys ?? []).flatMap(({ numbers }) => numbers) : [];
}

/** Said of a rotation that may still finish. */
const UNDER_WAY: readonly NoteCode[] = ['rotation-under-way', 'rotation-refused'];

function stuckRotation({ madeAt }: Facts, report: RingReport): readonly Remark[] {
  const { versions, rotation } = report;
  const pending = versions.find(({ state }) => state === 'pending' || state === 'placeholder');
  if (!rotation.isEnabled || rotation.pending === 'none' || !takesTooLong(pending, new Date(madeAt))) return [];
  if (pending !== undefined && wasCurrent(pending, report)) return [];
  const text =
    `A rotation that began on ${pending?.created?.slice(0, 10) ?? ''} has not finished, which takes seconds otherwise: ` +
    "the function's log says why.";
  return [{ code: 'rotation-stuck', text }];
}

/** The last rotation that ended has failed, and no key was made current since. */
function failedRotation({ history }: Facts): readonly Remark[] {
  const last = history.filter(({ event }) => ROTATION_ENDS.includes(event)).at(-1);
  if (last?.event !== 'rotation-failed') return [];
  return [
    {
      code: 'rotation-failed',
      text: `The last rotation failed on ${last.at.slice(0, 10)}. ${last.detail ?? ''}`.trim(),
    },
  ];
}

const ROTATION_ENDS: readonly EventCode[] = ['rotation-failed', 'rotation-succeeded', 'made-current', 'rolled-back'];

function replicaProblems({ secret: { replicas } }: Facts): readonly Remark[] {
  return replicas.flatMap(({ region, status }) =>
    status === 'Failed'
      ? [{ code: 'replica-failed', text: `The copy of the secret in ${region} could not be brought up to date.` }]
      : [],
  );
}

function policyProblems({ secret, access: { policy } }: Facts): readonly Remark[] {
  const strangers = strangersIn(policy);
  const isOpen = (action: string): boolean =>
    strangers.some((stranger) => policyAnswer(policy, stranger, action, secret.arn) === 'allows');
  const [reads, changes] = [isOpen(READ), ACTIONS.filter((action) => action !== READ && isOpen(action))];
  const calls = changes.map((action) => action.replace('secretsmanager:', '')).join(', ');
  return [
    ...(reads
      ? [{ code: 'open-to-all', text: 'The policy of the secret lets anyone in any AWS account read it.' }]
      : []),
    ...(calls === ''
      ? []
      : [
          {
            code: 'changes-open-to-all',
            text: `The policy of the secret lets anyone in any AWS account change it: ${calls}.`,
          },
        ]),
  ];
}

const READ = 'secretsmanager:GetSecretValue';

/** Whether the condition limits it to an organization or to a network, only a reader can judge. */
function conditionNotices({ secret, access: { policy } }: Facts): readonly Remark[] {
  const verdicts = strangersIn(policy).flatMap((stranger) =>
    ACTIONS.map((action) => verdictOf(policy, stranger, action, secret.arn)),
  );
  const because = new Set(verdicts.flatMap((one) => one.because).filter((text) => text.startsWith('allowed ')));
  const text = `The policy of the secret lets principals use it that it does not name: ${[...because].join('; ')}.`;
  return because.size === 0 ? [] : [{ code: 'open-under-a-condition', text }];
}

/** Another account also needs the KMS key, whose policy is not read here. */
function foreignNotices({ secret, access: { policy } }: Facts): readonly Remark[] {
  const foreign = foreignersIn(policy, secret.arn.split(':')[4] ?? '').filter((name) => {
    const [account = ''] = /\d{12}/.exec(name) ?? [];
    const asked = name.includes(':role/') || name.includes(':user/') ? name : strangerIn(account);
    return ACTIONS.some((action) => policyAnswer(policy, asked, action, secret.arn) === 'allows');
  });
  const text = `The policy of the secret lets other accounts use it: ${foreign.join(', ')}.`;
  return foreign.length === 0 ? [] : [{ code: 'open-to-other-accounts', text }];
}

/** `retire --force` counts no rows, and `--unread-is-fine` does not find those inside other values. */
function forcedNotices({ history }: Facts): readonly Remark[] {
  return history.flatMap(({ event, detail, at, number = 0 }): readonly Remark[] => {
    if (event !== 'key-retired') return [];
    const retired = `Key ${number} was retired on ${at.slice(0, 10)} ${detail ?? ''}: no one`;
    if (detail === WITHOUT_CENSUS)
      return [{ code: 'retired-without-census', text: `${retired} counted the rows under it.` }];
    if (detail !== UNREAD_KEY) return [];
    return [{ code: 'retired-unread', text: `${retired} could see ciphertexts of it inside other values.` }];
  });
}

function rowProblems({ rows, secret, keys }: Facts): readonly Remark[] {
  if (!rows.isCounted) {
    return rows.isAsked ? [{ code: 'rows-not-counted', text: `The rows could not be counted. ${rows.why}` }] : [];
  }
  const { unreadable } = rowSums(rows, secret.currentNumber);
  const blind = rows.columns.filter(({ unseen }) => unseen.length > 0);
  const onRing = new Set(numbersOf(keysOnRing(keys)));
  const lost = [...rowsByKey(rows).keys()].filter((number) => number > 0 && !onRing.has(number));
  return [
    ...unreadableRows(unreadable, unreadOf(rows)),
    ...(lost.length === 0
      ? []
      : [
          { code: 'rows-of-retired-key', text: `Rows need ${keyList(lost)}, which the secret does not have any more.` },
        ]),
    ...blind.map(({ relation, unseen }) => ({
      code: 'rows-not-seen',
      text: `Not every row of ${relation} was seen: ${unseen.join('; ')}.`,
    })),
    ...rows.unlisted.map((column) => ({
      code: 'unlisted-column',
      text: `The column ${column} looks encrypted and was not counted.`,
    })),
  ];
}

function unreadableRows(rows: number, unread: readonly number[]): readonly Remark[] {
  if (rows === 0) return [];
  if (unread.length === 0) return [{ code: 'rows-unreadable', text: `${rowCount(rows)} opened with no key.` }];
  const text = `It is unknown which key opens ${rowCount(rows)}: ${keyList(unread)} could not be read.`;
  return [{ code: 'rows-not-counted', text }];
}

/** Versions under a KMS key that cannot be used cannot be read. */
function kmsProblems({ kmsKeys }: Facts): readonly Remark[] {
  return kmsKeys.flatMap(({ keyId, state }) =>
    state === undefined || state === 'Enabled'
      ? []
      : [{ code: 'kms-key-disabled', text: `The KMS key ${keyId} is ${state}: keys under it cannot be read.` }],
  );
}

function alarmProblems({ alarms }: Facts): readonly Remark[] {
  return alarms.flatMap(({ name, state, since }) =>
    state === 'ALARM'
      ? [
          {
            code: 'alarm',
            text: `The alarm ${name} is in ALARM${since === undefined ? '' : ` since ${since.slice(0, 10)}`}.`,
          },
        ]
      : [],
  );
}

/** Settings that have a remark of their own are left out. */
function settingNotices({ settings }: Facts): readonly Remark[] {
  const unmet = settings.filter(({ code, isMet }) => isMet === 'no' && code !== 'rotation' && code !== 'backup');
  const titles = unmet.map(({ title }) => `"${title}"`).join(', ');
  return unmet.length === 0 ? [] : [{ code: 'settings', text: `Not as recommended: ${titles}. See below.` }];
}

function rowNotices({ rows, secret }: Facts): readonly Remark[] {
  if (!rows.isCounted) {
    return rows.isAsked ? [] : [{ code: 'rows-left-out', text: `The rows were not counted: ${rows.why}.` }];
  }
  const { older, nested, unsearched } = rowSums(rows, secret.currentNumber);
  const isOne = older === 1;
  const inside = {
    code: 'rows-with-older-keys-inside',
    text: `${rowCount(nested)} with an older key's ciphertext inside the data: that key is needed, too.`,
  };
  const unknown = { code: 'rows-unsearched', text: `${rowCount(unsearched)} ${UNSEARCHED}.` };
  const nestedNotice = [...(nested === 0 ? [] : [inside]), ...(unsearched === 0 ? [] : [unknown])];
  return older === 0
    ? nestedNotice
    : [
        {
          code: 'rows-under-older-keys',
          text: `${rowCount(older)} ${isOne ? 'needs' : 'need'} an older key, which stays in the secret until ${isOne ? 'it is' : 'they are'} re-encrypted.`,
        },
        ...nestedNotice,
      ];
}

/** `move` and `restore-ring` give a number to another version of its key, and nothing records which one had it before. */
function copyNotices({ keys }: Facts): readonly Remark[] {
  const text =
    'Keys were copied to other versions, by move or by restore-ring. move keeps the day on which a key was made; without ' +
    'that, the dates of a copied key are those of its copy. The version before has no number.';
  return keys.some(({ state }) => state === 'copy') ? [{ code: 'copied-keys', text }] : [];
}

function backupNotices({ secret: { backup }, keys }: Facts): readonly Remark[] {
  if (backup === undefined) return [{ code: 'no-backup', text: 'No backup of the keys is recorded.' }];
  const missing = numbersOf(keysOnRing(keys)).filter((number) => !backup.numbers.includes(number));
  const text = `The last backup, of ${backup.date.slice(0, 10)}, does not have ${keyList(missing)}.`;
  return missing.length === 0 ? [] : [{ code: 'not-in-backup', text }];
}

function unseenNotice({ unseen }: Facts): readonly Remark[] {
  const text = `${unseen.length === 1 ? 'One thing' : `${unseen.length} things`} could not be seen. They are listed at the end.`;
  return unseen.length === 0 ? [] : [{ code: 'not-seen', text }];
}

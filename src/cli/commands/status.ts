import type { EncryptionCount } from '../aws/encryption-count.ts';
import type { CommandDependencies } from '../aws/operator.ts';
import { command } from '../command.ts';
import { COUNT, DATE, described, listOf, NEXT, object, oneOf, RETIRED, TEXT, YES_OR_NO } from '../json/shapes.ts';
import { countEncryptions, encryptionWords, keyEncryptions } from '../status/key-encryptions.ts';
import type { Note } from '../status/note.ts';
import { ALTERNATIVES, notesOn, recommended } from '../status/notes.ts';
import { readRingReport, VERSION_STATES, type RingReport, type VersionReport } from '../status/ring-report.ts';
import { spelled } from '../suggested-commands.ts';
import { printable, type Paint } from '../terminal/paint.ts';
import { dayCount, tableLines, wrapped } from '../terminal/table.ts';

const TRUE = { const: true };

const VERSION = object(
  {
    versionId: TEXT,
    labels: listOf(TEXT),
    kmsKeyIds: listOf(TEXT),
    state: oneOf(...VERSION_STATES),
  },
  {
    number: COUNT,
    created: DATE,
    lastUsed: DATE,
    retiredNumber: COUNT,
    made: TEXT,
    isRescued: TRUE,
    isNoKey: TRUE,
    isCopy: TRUE,
  },
);

const ROTATION = object(
  {
    isEnabled: YES_OR_NO,
    daysSinceLast: COUNT,
    daysOverdue: COUNT,
    pending: oneOf('none', 'placeholder', 'value', 'unknown'),
  },
  { primaryRegion: TEXT, functionArn: TEXT, schedule: TEXT, last: DATE, next: DATE, daysOfOldKey: COUNT },
);

export const STATUS = command<object>({
  name: 'status',
  summary: 'Show the keys, the rotation, what is under way or unfinished, and what to do about it',
  examples: ['pazpaz-keys status --secret-id pazpaz/encryption-key-v1'],
  result: object(
    {
      name: TEXT,
      arn: TEXT,
      currentNumber: COUNT,
      slots: object({ free: COUNT, of: COUNT }),
      rotation: ROTATION,
      versions: listOf(VERSION),
      retired: listOf(object({ ...RETIRED, isLeft: YES_OR_NO }, { numberOn: TEXT, isRestoring: YES_OR_NO })),
      usage: described(
        'Encryptions since the current key was made, as far as the metric KeyEncryptions of the stack counts them',
        object({}, { encryptions: COUNT, since: DATE, unknown: TEXT, isAsked: { const: true } }),
      ),
      notes: listOf(object({ code: TEXT, weight: oneOf('notice', 'warning'), text: TEXT, next: NEXT })),
    },
    { kmsKeyId: TEXT, recommended: TEXT, lost: listOf(COUNT) },
  ),
  run: async (session, options) => {
    const { deps, spell, place } = session;
    const report = await runStatus(deps);
    const usage = await keyEncryptions(report, countEncryptions(session, options));
    const next = recommended(report.notes);
    const status = {
      ...report,
      usage,
      notes: spelled(report.notes, spell),
      ...(next === undefined ? {} : { recommended: spell(next) }),
    };
    return { result: status, lines: (paint) => statusLines(status, place(), paint), showsInDryRun: true };
  },
});

export interface StatusResult extends RingReport {
  /** What is under way or unfinished, and what to do about it. */
  readonly notes: readonly Note[];
}

/** Everything that can be said about the ring without reading a key. */
export async function runStatus(deps: CommandDependencies): Promise<StatusResult> {
  const report = await readRingReport(deps);
  return { ...report, notes: notesOn(report) };
}

const STATE_WORDS: Partial<Record<VersionReport['state'], string>> = {
  current: 'encrypts',
  previous: 'decrypts; was current before',
  reads: 'decrypts',
  pending: 'being rotated in',
  placeholder: 'being rotated in, no value yet',
  arriving: 'being added',
  abandoned: 'never encrypted anything',
  copy: 'has the key of another version',
};

const NO_KEY_WORDS: Partial<Record<VersionReport['state'], string>> = {
  current: 'is current, and holds no key',
  previous: 'was current before, and holds no key',
  pending: 'pending, and holds no key',
};

/** A report with its next steps as commands. */
type Shown = RingReport & {
  readonly usage: EncryptionCount;
  readonly notes: readonly ShownNote[];
  readonly recommended?: string;
};
type ShownNote = Omit<Note, 'next'> & { readonly next: readonly string[] };

/** The ring as a table, then the rotation, then the next steps. */
function statusLines(status: Shown, place: string, paint: Paint): readonly string[] {
  const head = ['key', 'version', 'labels', 'created', 'last used', 'state'];
  const [title = '', ...rows] = tableLines(
    head,
    status.versions.map((version) => cells(version).map(printable)),
    [0],
  );
  return [
    paint.strong(printable(status.name)),
    printable(place),
    '',
    ...(rows.length === 0
      ? ['No version yet.']
      : [paint.faint(title), ...rows.map((row, i) => painted(row, status.versions[i], paint))]),
    '',
    `labels    ${status.slots.free} of ${status.slots.of} free`,
    ...usageLines(status.usage),
    ...rotationLines(status),
    '',
    ...noteLines(status.notes, paint),
    ...firstLines(status, paint),
  ];
}

/** Each note with its commands. */
function noteLines(notes: readonly ShownNote[], paint: Paint): readonly string[] {
  if (notes.length === 0) return [paint.good('Nothing is under way or unfinished.')];
  return notes.flatMap(({ weight, text, next }) => {
    const mark = weight === 'warning' ? paint.warn('!') : paint.faint('-');
    return [
      ...wrapped(printable(text), 96).map((line, index) => `${index === 0 ? mark : ' '} ${line}`),
      ...next.map((command) => `    ${paint.strong(printable(command))}`),
    ];
  });
}

/** The command to run first, where there are several, or to choose where they are alternatives. */
function firstLines({ notes, recommended: first }: Shown, paint: Paint): readonly string[] {
  if (first === undefined || notes.flatMap(({ next }) => next).length < 2) return [];
  const from = notes.find(({ next }) => next.includes(first));
  const isChoice = from !== undefined && ALTERNATIVES.includes(from.code);
  return ['', `${isChoice ? 'If in doubt' : 'Run first'}: ${paint.strong(printable(first))}`];
}

function cells({
  number,
  versionId,
  labels,
  created,
  lastUsed,
  state,
  retiredNumber,
  isNoKey,
}: VersionReport): readonly string[] {
  const states = isNoKey === true ? { ...STATE_WORDS, ...NO_KEY_WORDS } : STATE_WORDS;
  const words = retiredNumber === undefined ? (states[state] ?? state) : `retired (was key ${retiredNumber})`;
  return [number === undefined ? '' : String(number), versionId, labels.join(' '), day(created), day(lastUsed), words];
}

function painted(row: string, version: VersionReport | undefined, paint: Paint): string {
  if (version?.state === 'current') return paint.strong(row);
  return version?.state === 'no label' ? paint.warn(row) : row;
}

function usageLines(usage: EncryptionCount): readonly string[] {
  const words = encryptionWords(usage);
  return words === undefined ? [] : [`usage     ${printable(words)}`];
}

function rotationLines({ rotation }: RingReport): readonly string[] {
  if (rotation.primaryRegion !== undefined)
    return [`rotation  of the primary, in ${printable(rotation.primaryRegion)}`];
  if (!rotation.isEnabled) return [`rotation  off${rotation.functionArn === undefined ? ', no function' : ''}`];
  const next = rotation.next === undefined ? 'not scheduled' : `by ${day(rotation.next)}`;
  const isLate = rotation.daysOverdue > 0;
  return [
    `rotation  ${printable(rotation.schedule ?? 'on request')}`,
    `last      ${rotation.last === undefined ? 'never' : `${day(rotation.last)}, ${dayCount(rotation.daysSinceLast)} ago`}`,
    `next      ${isLate ? `${dayCount(rotation.daysOverdue)} late; AWS has it ${next}` : next}`,
  ];
}

function day(date: string | undefined): string {
  return date === undefined ? '' : date.slice(0, 10);
}

import type { Paint } from './paint.ts';
import type { PatientRecord } from './patient-record.ts';
import { count, numberingFirst, tableLines, type TableColumn } from './screen-table.ts';
import type { StoryResult, VersionAtTheEnd } from './story.ts';
import { GUIDE, type Happening } from './years.ts';

export function titleLines(years: number, paint: Paint): string[] {
  return [paint.strong(`${GUIDE.secretId} through ${count(years, 'year')}`), ''];
}

/** Whole lines, each at most 100 characters wide without its colours. */
export function linesOf(happening: Happening, paint: Paint): string[] {
  switch (happening.kind) {
    case 'service started':
      return [
        `A Secrets Manager for this machine listens on ${happening.url}.`,
        'It runs each step of a rotation as AWS does: the built Lambda, in a process of its own.',
        'A version that loses its last staging label is deleted at once. AWS may do so after a day.',
        '',
      ];
    case 'secret created':
      return [
        `${happening.date}  The secret is created with the guide's example key.`,
        indented(`${quoted(happening.record)} is encrypted: ${happening.record.ciphertext.length} bytes, number 0,`),
        indented('for no rotation has numbered the key yet.'),
      ];
    case 'rotation turned on':
      return [
        `${happening.date}  Rotation every ${happening.days} days is turned on. RotateSecret rotates at once, as on AWS.`,
        '',
        paint.faint('date        current key  a new record is encrypted  all records so far are read'),
      ];
    case 'rotation begun':
      return [];
    case 'rotated':
      return rotatedLines(happening, paint);
    case 'key lost by hand':
      return [paint.bad(`${happening.date}  The label key-v${happening.number} is taken away by hand.`)];
  }
}

export function rotatingLine(steps: readonly string[]): string {
  return indented(`rotating: ${steps.join(', ')} …`);
}

export function resultLines(result: StoryResult, paint: Paint): string[] {
  return ['', ...tableOf(result.versions, paint), '', countsLine(result, paint), '', ...contrastLines(result, paint)];
}

/** `undefined` if the story ended well. */
export function complaint({ ok, unreadable, ciphertexts }: StoryResult): string | undefined {
  if (ok) return undefined;
  const [first] = unreadable;
  if (first === undefined) return 'Data could not be read for a time: see the years above.';
  const which = `Record ${first.id} is lost (${first.problem})`;
  return `${unreadable.length} of ${count(ciphertexts, 'ciphertext')} cannot be read any more. ${which}.`;
}

function rotatedLines({ date, record, reading }: Happening & { kind: 'rotated' }, paint: Paint): string[] {
  const { tried, unreadable } = reading;
  const verdict = `${tried - unreadable.length} of ${tried} readable`;
  const key = `key ${record.keyNumber}`.padEnd(11);
  const isGood = unreadable.length === 0;
  return [
    `${date}  ${key}  ${quoted(record).padEnd(25)}  ${isGood ? paint.good(verdict) : paint.bad(verdict)}`,
    ...unreadable.map(({ id, problem }) => paint.bad(indented(`record ${id} cannot be read: ${problem}`))),
  ];
}

const COLUMNS: readonly TableColumn[] = [
  { title: 'key', isNumber: true },
  { title: 'version' },
  { title: 'labels' },
  { title: 'created' },
  { title: 'encrypted with it' },
  { title: 'records', isNumber: true },
];

function tableOf(versions: readonly VersionAtTheEnd[], paint: Paint): string[] {
  const rows = versions.map(({ number, versionId, labels, created, encrypted }) => [
    String(number),
    versionId.slice(0, 8),
    [...labels].sort(numberingFirst).join(' '),
    created,
    encrypted.join(', '),
    String(encrypted.length),
  ]);
  return tableLines(COLUMNS, rows, paint);
}

function countsLine(result: StoryResult, paint: Paint): string {
  const { rotations, lambdaRuns, versions, ciphertexts, decryptions, readable, ok, seconds } = result;
  const verdict = `${readable} of ${ciphertexts} ciphertexts readable`;
  return (
    `${count(rotations, 'rotation')} (${count(lambdaRuns, 'run')} of the Lambda), ${count(versions.length, 'key')}, ` +
    `${count(decryptions, 'decryption')}: ${ok ? paint.good(verdict) : paint.bad(verdict)}. ${seconds.toFixed(1)} s`
  );
}

function contrastLines({ contrast, ciphertexts, years }: StoryResult, paint: Paint): string[] {
  const { currentOnly, currentAndPrevious, usualLambda } = contrast;
  const share = (part: number, whole: number): string =>
    paint.bad(`${String(part).padStart(4)} of ${String(whole).padEnd(3)}`);
  return [
    'For contrast, tried on the same ciphertexts:',
    `${share(currentOnly, ciphertexts)} an application that reads only AWSCURRENT`,
    `${share(currentAndPrevious, ciphertexts)} one that reads AWSPREVIOUS as well`,
    `The same ${count(years, 'year')} with a usual Lambda, which numbers nothing (${usualLambda.keysLeft} of ${usualLambda.keysMade} keys left):`,
    `${share(usualLambda.readable, usualLambda.ciphertexts)} whichever of the keys left is tried`,
  ];
}

function quoted({ text }: PatientRecord): string {
  return `'${text}'`;
}

/** Under the text beside a date. */
function indented(text: string): string {
  return `            ${text}`;
}

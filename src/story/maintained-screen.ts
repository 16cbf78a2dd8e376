import type { MaintainedHappening, MaintainedResult } from './maintained-years.ts';
import type { Paint } from './paint.ts';
import { grouped } from '../cli/rows/census-screen.ts';
import { count, numberingFirst, tableLines } from './screen-table.ts';
import { GUIDE } from './years.ts';

/** Rotations that are shown. */
const SHOWN = 10;

export function maintainedTitle(years: number, days: number, paint: Paint): string[] {
  const title = `${GUIDE.secretId} through ${count(years, 'year')}, rotated every ${count(days, 'day')} and maintained`;
  return [paint.strong(title), ''];
}

export function maintainedLines(happening: MaintainedHappening, paint: Paint): string[] {
  switch (happening.kind) {
    case 'table created':
      return [
        `The rows are in ${happening.table.place}, the keys in a Secrets Manager for this machine on ${happening.url}.`,
        ...(happening.table.isPostgres
          ? ["Real: the built Lambda, and the work of 'pazpaz-keys maintain --retire do' on these rows."]
          : [
              "Real: the built Lambda, and what 'pazpaz-keys maintain --retire do' decides. No PostgreSQL was found here,",
              'so the story itself re-encrypts and counts the rows (npm ci brings one on Linux, macOS and Windows).',
            ]),
        'Not as in production: the clock is moved, one process stays warm for all steps, and maintain runs only on the',
        'day after each rotation. A version that loses its last staging label is deleted at once.',
        '',
      ];
    case 'secret created':
      return [
        `${happening.date}  The secret is created, and ${count(happening.rows, 'row')} are written with its key.`,
      ];
    case 'rotation turned on':
      return [
        `${happening.date}  Rotation every ${count(happening.days, 'day')} is turned on, and begins at once.`,
        '',
        paint.faint('date        current key  free labels  retired  all rows are read'),
      ];
    case 'period begun':
      return [];
    case 'maintained':
      return isShown(happening) ? stateLines(happening, paint) : [];
  }
}

export function maintainedProgress(happening: MaintainedHappening): (() => string) | undefined {
  if (happening.kind !== 'period begun') return undefined;
  const { date, place, of } = happening;
  return () => `${date}  rotation ${place + 1} of ${of + 1} …`;
}

export function maintainedResultLines(result: MaintainedResult, paint: Paint): string[] {
  const { rotations, lambdaRuns, maintainRuns, retired, fewestFreeLabels, reencrypted, decryptions } = result;
  const { rows, readable, seconds } = result;
  const verdict = `${grouped(readable)} of ${grouped(rows)} rows readable`;
  const columns = [
    { title: 'key', isNumber: true },
    { title: 'version' },
    { title: 'labels' },
    { title: 'created' },
  ] as const;
  const versions = result.versions.map(({ number, versionId, labels, created }) => [
    String(number),
    versionId.slice(0, 8),
    [...labels].sort(numberingFirst).join(' '),
    created,
  ]);
  return [
    '',
    ...tableLines(columns, versions, paint),
    '',
    `${count(rotations, 'rotation')} (${count(lambdaRuns, 'run')} of the Lambda), ${count(maintainRuns, 'run')} of maintain.`,
    `${count(retired, 'key')} retired, never fewer than ${count(fewestFreeLabels, 'free label')}. Without maintain, key 17 is the last.`,
    `${count(reencrypted, 'row')} re-encrypted, ${count(decryptions, 'decryption')}: ${result.ok ? paint.good(verdict) : paint.bad(verdict)}. ${seconds.toFixed(1)} s`,
  ];
}

/** `undefined` if the story ended well. */
export function maintainedComplaint({ ok, unreadable, fewestFreeLabels }: MaintainedResult): string | undefined {
  if (ok) return undefined;
  const [first] = unreadable;
  if (first !== undefined)
    return `${count(unreadable.length, 'row')} cannot be read any more. Row ${first.id}: ${first.problem}.`;
  return `Rows could not be read for a time, or too few labels were free (${fewestFreeLabels}).`;
}

/** The first, the last, and some between. */
function isShown({ place, of }: MaintainedHappening & { kind: 'maintained' }): boolean {
  return place === of || place % Math.ceil((of + 1) / SHOWN) === 0;
}

function stateLines({ state }: MaintainedHappening & { kind: 'maintained' }, paint: Paint): string[] {
  const { date, currentNumber, freeLabels, retired, reading } = state;
  const { tried, unreadable } = reading;
  const verdict = `${grouped(tried - unreadable.length)} of ${grouped(tried)} readable`;
  const cells = [date, `key ${currentNumber}`.padEnd(11), String(freeLabels).padStart(11), String(retired).padStart(7)];
  return [[...cells, unreadable.length === 0 ? paint.good(verdict) : paint.bad(verdict)].join('  ')];
}

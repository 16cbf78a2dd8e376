import type { CheckReport } from '../doctor/check.ts';
import type { DoctorResult } from '../doctor/doctor.ts';
import { printable, type Paint } from './paint.ts';
import { wrapped } from './table.ts';

const WORDS = { fine: 'no ', found: 'YES', 'not checked': '?  ' } as const;

/** Each check in one line, with how it knows, and below those that found something what it is and what mends it. */
export function doctorLines({ secretId, checks, found, notChecked }: DoctorResult, paint: Paint): readonly string[] {
  const open = notChecked === 0 ? '' : `, ${notChecked} of ${checks.length} not checked`;
  return [
    paint.strong(printable(`What can be wrong with ${secretId}`)),
    '',
    ...checks.flatMap((check) => checkLines(check, paint)),
    '',
    found === 0 ? paint.good(`Nothing is wrong${open}.`) : paint.bad(`${found} found${open}.`),
  ];
}

function checkLines({ title, outcome, how, findings }: CheckReport, paint: Paint): readonly string[] {
  const colour = outcome === 'found' ? paint.bad : outcome === 'fine' ? paint.good : paint.warn;
  const [first = '', ...more] = wrapped(printable(`${title}: ${how}`), 95);
  return [
    `${colour(WORDS[outcome])}  ${first.slice(0, title.length + 1)}${paint.faint(first.slice(title.length + 1))}`,
    ...more.map((line) => `     ${paint.faint(line)}`),
    ...findings.flatMap(({ text, next }) => [
      ...wrapped(printable(text), 90).map((line) => `     ${line}`),
      ...next.map((command) => `       ${paint.strong(printable(command))}`),
    ]),
  ];
}

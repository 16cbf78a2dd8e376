import { KeyRotationError } from '../format/error.ts';
import type { CommandDependencies, Question } from './aws/operator.ts';
import type { ProcessIo } from './process-io.ts';
import { printable } from './terminal/paint.ts';

interface Answers {
  readonly json?: boolean;
  readonly dryRun?: boolean;
  readonly yes?: boolean;
  readonly confirm?: string;
}

/**
 * A dry run does not ask, and shows what the question rests on. `--yes` answers a question that takes `y`; `--confirm` answers one that needs a typed answer.
 * `where` names the secret that would change. Rejects with `NOT_CONFIRMED`.
 */
export function confirmation(
  world: ProcessIo,
  { json, dryRun, yes, confirm }: Answers,
  where: () => string,
): CommandDependencies['confirm'] {
  return async (question) => {
    const { answer, basis = [] } = question;
    // In JSON, the result has it.
    if (dryRun === true && json !== true) world.stderr.write(basis.map((line) => `${line}\n`).join(''));
    if (dryRun === true || (answer === undefined && yes === true)) return;
    if (answer !== undefined && confirm !== undefined && isSame(confirm, answer)) return;
    if (world.stdin.isTTY !== true || world.stderr.isTTY !== true) throw cannotAsk(question, where(), confirm);
    const typed = await world.ask(`${printable(about(question, where()))}\n${prompt(answer)} `);
    if (answer === undefined ? /^y(es)?$/i.test(typed.trim()) : isSame(typed, answer)) return;
    throw new KeyRotationError('NOT_CONFIRMED', 'Not confirmed. Nothing was changed.');
  };
}

function about({ action, basis = [], risk }: Question, where: string): string {
  return [`Secret: ${where}`, `${action}.`, ...basis, ...(risk === undefined ? [] : [risk])].join('\n');
}

function prompt(answer: string | undefined): string {
  return answer === undefined ? 'Continue? [y/N]' : `Type the number again (${answer}) to continue:`;
}

function cannotAsk(question: Question, where: string, confirm: string | undefined): KeyRotationError {
  const wrong =
    question.answer === undefined || confirm === undefined
      ? ''
      : `--confirm names ${confirm}, not ${question.answer}. `;
  const option = question.answer === undefined ? '--yes' : `--confirm '${question.answer}'`;
  return new KeyRotationError(
    'NOT_CONFIRMED',
    `${about(question, where)}\n${wrong}Standard input is not a terminal, so nothing can be asked. Pass ${option} to continue, or --dry-run to see ` +
      'what would be done. Nothing was changed.',
  );
}

/** In any order. */
function isSame(one: string, other: string): boolean {
  return words(one) === words(other);
}

function words(text: string): string {
  const all = text.split(/[\s,]+/).filter((word) => word !== '');
  return [...new Set(all)].sort().join(' ');
}

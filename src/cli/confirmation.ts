import { KeyRotationError } from '../format/error.ts';
import type { CommandDependencies, Question } from './aws/operator.ts';
import type { ProcessIo } from './process-io.ts';

interface Answers {
  readonly dryRun?: boolean;
  readonly yes?: boolean;
  readonly confirm?: string;
}

/**
 * How a command gets the word to go on: nobody is asked in a dry run; `--yes` answers what a `y` would; `--confirm`
 * answers what has to be typed out; otherwise somebody at a terminal is asked. Rejects with `NOT_CONFIRMED`.
 */
export function confirmation(world: ProcessIo, { dryRun, yes, confirm }: Answers): CommandDependencies['confirm'] {
  return async (question) => {
    const { answer } = question;
    if (dryRun === true || (answer === undefined && yes === true)) return;
    if (answer !== undefined && confirm !== undefined && isSame(confirm, answer)) return;
    if (world.stdin.isTTY !== true || world.stderr.isTTY !== true) throw cannotAsk(question);
    const typed = await world.ask(`${about(question)}\n${prompt(answer)} `);
    if (answer === undefined ? /^y(es)?$/i.test(typed.trim()) : isSame(typed, answer)) return;
    throw new KeyRotationError('NOT_CONFIRMED', 'Not confirmed. Nothing was changed.');
  };
}

function about({ action, risk }: Question): string {
  return risk === undefined ? `${action}.` : `${action}.\n${risk}`;
}

function prompt(answer: string | undefined): string {
  return answer === undefined ? 'Go on? [y/N]' : `Type the number again (${answer}) to go on:`;
}

function cannotAsk(question: Question): KeyRotationError {
  const option = question.answer === undefined ? '--yes' : `--confirm '${question.answer}'`;
  return new KeyRotationError(
    'NOT_CONFIRMED',
    `${about(question)} There is no terminal to ask at: say ${option} to go on, or --dry-run to see what it would do. Nothing was changed.`,
  );
}

/** Whether both name the same things, in whatever order. */
function isSame(one: string, other: string): boolean {
  return words(one) === words(other);
}

function words(text: string): string {
  const all = text.split(/[\s,]+/).filter((word) => word !== '');
  return [...new Set(all)].sort().join(' ');
}

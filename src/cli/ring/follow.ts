import type { KeyRotationError } from '../../format/error.ts';
import { hasValue } from '../../secret/read-key.ts';
import type { CommandDependencies } from '../aws/operator.ts';
import { describedRing, LONGEST_DELAY } from './ring.ts';
import { CommandRefusal, step } from '../suggested-commands.ts';

type RotationStage = 'waits for its key' | 'has its number' | 'is current';

export interface StepLine {
  readonly step: string;
  readonly outcome: 'started' | 'finished' | 'failed';
  readonly reason?: string;
}

export interface FollowOptions {
  readonly versionId: string;
  /** Milliseconds after which it stops watching. The rotation continues. */
  readonly timeLimit: number;
  readonly onStage: (stage: RotationStage) => void;
  readonly onStep: (line: StepLine) => void;
  /** Returns new lines at each call; `undefined` or absent if the log cannot be read. Never rejects. */
  readonly readLog?: (() => Promise<readonly StepLine[] | undefined>) | undefined;
}

/** Milliseconds. No alarm on reads counts calls of DescribeSecret. */
const PAUSE = 1000;

/** CloudWatch Logs shows lines some seconds late. */
const LATE_LOOKS = 5;

/**
 * Resolves to the new key's number (0: not numbered yet). Throws `ROTATION_NOT_FINISHED` if the rotation was abandoned,
 * rolled back or takes too long, with the last failure from the log. A missing version counts only after it was seen,
 * or after some seconds.
 */
export async function followRotation(deps: CommandDependencies, options: FollowOptions): Promise<number> {
  const { versionId, timeLimit, onStage, onStep, readLog } = options;
  let stage: RotationStage | undefined;
  let last: StepLine | undefined;
  let lastFailure: string | undefined;
  /** Resolves to whether the log may have more to show. */
  const listen = async (): Promise<boolean> => {
    const lines = await readLog?.();
    for (const line of lines ?? []) {
      onStep(line);
      last = line;
      if (line.outcome === 'failed') lastFailure = `${line.step} failed: ${line.reason ?? 'no reason given'}`;
    }
    return lines !== undefined && !(last?.step === 'finishSecret' && last.outcome === 'finished');
  };
  const started = deps.now().getTime();
  let wasPending = false;
  for (let waited = 0; ; waited += PAUSE) {
    await listen();
    // Each call takes time, too.
    const passed = Math.max(waited, deps.now().getTime() - started);
    const { ring } = await describedRing(deps);
    const labels = ring.stages[versionId] ?? [];
    const number = ring.numberOf.get(versionId) ?? 0;
    const now = stageOf(labels, number);
    if (now === 'is current') {
      for (let look = 0; (await listen()) && look < LATE_LOOKS; look += 1) await deps.sleep(PAUSE);
    }
    if (now !== stage) onStage((stage = now));
    if (now === 'is current') return number;
    if (labels.includes('AWSPREVIOUS')) throw rolledBack(versionId, number);
    const isPending = labels.includes('AWSPENDING');
    wasPending ||= isPending;
    if (!isPending && (wasPending || passed >= Math.min(LONGEST_DELAY, timeLimit)))
      throw abandoned(versionId, lastFailure);
    if (passed >= timeLimit) throw tooLong(versionId, timeLimit, await whatIsLeft(deps, versionId), lastFailure);
    await deps.sleep(PAUSE);
  }
}

function stageOf(labels: readonly string[], number: number): RotationStage {
  if (labels.includes('AWSCURRENT')) return 'is current';
  return number > 0 ? 'has its number' : 'waits for its key';
}

const NO_KEY = 'its key is not made yet';

async function whatIsLeft(deps: CommandDependencies, versionId: string): Promise<string> {
  return (await hasValue(deps, versionId)) ? 'its key is made' : NO_KEY;
}

function abandoned(versionId: string, failure: string | undefined): KeyRotationError {
  return new CommandRefusal(
    'ROTATION_NOT_FINISHED',
    `The rotation of version ${versionId} was abandoned: it no longer has AWSPENDING (after a put by hand, or a ` +
      `clean-up). ${why(failure)}Nothing was lost. First check which key is current. Another rotation takes another ` +
      'label.',
    step('status'),
  );
}

function rolledBack(versionId: string, number: number): KeyRotationError {
  const name = number > 0 ? `key ${number}` : 'its key';
  return new CommandRefusal(
    'ROTATION_NOT_FINISHED',
    `The rotation of version ${versionId} had finished, and then another key was made current: ${name} is ` +
      'AWSPREVIOUS and still decrypts. To make it current again, undo the rollback.',
    step('rollback', '--undo'),
  );
}

function tooLong(versionId: string, limit: number, left: string, failure: string | undefined): KeyRotationError {
  // A deploy tests the rotation of an empty secret, and AWS starts no other rotation until that test has ended.
  const test = failure === undefined && left === NO_KEY ? 'If the function did not run, run this command again. ' : '';
  return new CommandRefusal(
    'ROTATION_NOT_FINISHED',
    `The rotation of version ${versionId} is not finished after ${Math.round(limit / 1000)} s (${left}). ` +
      `${why(failure)}The current key is unchanged${test === '' ? ', and AWS will retry' : ''}. ${test}'doctor' looks for the cause, the ` +
      "function's log names it, and 'rotate --clean-up' ends the rotation.",
    step('doctor'),
    step('rotate', '--clean-up'),
  );
}

function why(failure: string | undefined): string {
  return failure === undefined ? '' : `Its last failure: ${failure}. `;
}

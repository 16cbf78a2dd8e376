import type { KeyRotationError } from '../../format/error.ts';
import { hasValue } from '../../secret/read-key.ts';
import type { CommandDependencies } from '../aws/operator.ts';
import { describedRing, LONGEST_DELAY } from './ring.ts';
import { CommandRefusal, step } from '../suggested-commands.ts';

/** How far a rotation has come, as its labels show it. */
type RotationStage = 'waits for its key' | 'has its number' | 'is current';

/** A line of the function's log that is about one of its steps. */
export interface StepLine {
  readonly step: string;
  readonly outcome: 'started' | 'finished' | 'failed';
  /** Why it failed: code and message. */
  readonly reason?: string;
}

export interface FollowOptions {
  readonly versionId: string;
  /** Milliseconds after which it gives up watching; the rotation goes on. */
  readonly timeLimit: number;
  readonly onStage: (stage: RotationStage) => void;
  readonly onStep: (line: StepLine) => void;
  /** New lines of the function's log at each call; `undefined` or absent: it cannot be read. Never rejects. */
  readonly readLog?: (() => Promise<readonly StepLine[] | undefined>) | undefined;
}

/** Between two looks, in milliseconds. DescribeSecret, which no alarm on reads counts. */
const PAUSE = 1000;

/** Looks at the log after the key is current: lines take some seconds until CloudWatch Logs shows them. */
const LATE_LOOKS = 5;

/**
 * Watches a rotation until its version is `AWSCURRENT`. Resolves to the new key's number (0: not numbered yet). Throws
 * `ROTATION_NOT_FINISHED` where it was abandoned, rolled back, or takes too long, with why its last step failed where the
 * log shows it. That a version is not there counts only once it was, or some seconds later.
 */
export async function followRotation(deps: CommandDependencies, options: FollowOptions): Promise<number> {
  const { versionId, timeLimit, onStage, onStep, readLog } = options;
  let stage: RotationStage | undefined;
  let last: StepLine | undefined;
  let lastFailure: string | undefined;
  /** Resolves to whether the log may have more to say. */
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
    // Looks take their time, too.
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

async function whatIsLeft(deps: CommandDependencies, versionId: string): Promise<string> {
  return (await hasValue(deps, versionId)) ? 'its key is made' : 'its key is not made yet';
}

function abandoned(versionId: string, failure: string | undefined): KeyRotationError {
  return new CommandRefusal(
    'ROTATION_NOT_FINISHED',
    `The rotation of version ${versionId} was abandoned: AWSPENDING is not on it any more (a put by hand, or a clean-up). ${why(failure)}Nothing was lost. Look first which key is current. Another rotation takes another label.`,
    step('status'),
  );
}

function rolledBack(versionId: string, number: number): KeyRotationError {
  const name = number > 0 ? `key ${number}` : 'its key';
  return new CommandRefusal(
    'ROTATION_NOT_FINISHED',
    `The rotation of version ${versionId} had finished, and somebody has made another key current since: ${name} is AWSPREVIOUS, and goes on reading. To take that back, undo the rollback.`,
    step('rollback', '--undo'),
  );
}

function tooLong(versionId: string, limit: number, left: string, failure: string | undefined): KeyRotationError {
  return new CommandRefusal(
    'ROTATION_NOT_FINISHED',
    `The rotation of version ${versionId} is not finished after ${Math.round(limit / 1000)} s (${left}). ${why(failure)}` +
      "The current key is unchanged, and AWS tries again by itself. 'doctor' looks for the cause, the function's log names it, 'rotate --clean-up' ends the rotation.",
    step('doctor'),
    step('rotate', '--clean-up'),
  );
}

function why(failure: string | undefined): string {
  return failure === undefined ? '' : `Its last failure: ${failure}. `;
}

import type { DescribeSecretResponse } from '@aws-sdk/client-secrets-manager';
import { InvalidArgumentError } from 'commander';
import { KeyRotationError } from '../../format/error.ts';
import type { RingLabels } from '../../format/ring-labels.ts';
import { isReplica } from '../../keyring/source/secret-source.ts';
import { refused } from '../../secret/aws-error.ts';
import { requireNumbers, slotsNeeded } from '../../secret/numbering.ts';
import type { CommandDependencies } from '../aws/operator.ts';
import { wrongUsage, command } from '../command.ts';
import { COUNT, object, oneOf, TEXT, YES_OR_NO } from '../json/shapes.ts';
import { cleanUpLine, runCleanUp } from '../ring/clean-up.ts';
import { followRotation } from '../ring/follow.ts';
import { requireSeen } from '../ring/look-again.ts';
import { readingOf } from '../ring/reading.ts';
import { describedRing, LONGEST_DELAY, numberedWithoutKey } from '../ring/ring.ts';
import { rotationLog } from '../ring/rotation-log.ts';
import { wrongKeys } from '../status/notes.ts';
import { readRingReport } from '../status/ring-report.ts';
import { CommandRefusal, step } from '../suggested-commands.ts';
import { printable } from '../terminal/paint.ts';
import { wrapped } from '../terminal/table.ts';

interface RotateFlags {
  readonly wait?: boolean;
  readonly timeout: number;
  readonly cleanUp?: boolean;
}

export const ROTATE = command<RotateFlags>({
  name: 'rotate',
  summary: 'Start a rotation, and follow it to its end',
  details:
    'Uses one of the 17 labels of the ring. If rotation was cancelled, it asks first, because it switches ' +
    'rotation on again. --clean-up ends a rotation that was cancelled, failed or refused; the key of such a ' +
    'rotation never encrypted anything.',
  examples: ['pazpaz-keys rotate --wait', 'pazpaz-keys rotate --clean-up --yes'],
  result: object(
    {},
    { versionId: TEXT, outcome: oneOf('started', 'taken up'), wasSwitchedOff: YES_OR_NO, keyNumber: COUNT },
  ),
  writes: 'asks',
  setUp: (program) =>
    program
      .option('--wait', 'wait until the new key is current, or say why it is not')
      .option('--timeout <seconds>', 'how long to wait', seconds, 300)
      .option('--clean-up', 'detach AWSPENDING from an unfinished rotation'),
  run: async (session, options, _, world) => {
    const { deps } = session;
    const { wait, timeout, cleanUp, dryRun, json } = options;
    if (cleanUp === true) {
      if (wait === true) wrongUsage('--clean-up ends a rotation, so there is nothing to --wait for.');
      const result = await runCleanUp(deps);
      return { result, lines: () => [cleanUpLine(result)] };
    }
    const started = await runRotate(deps);
    // A dry run lists changes of labels and values; switching rotation on is not among them.
    if (dryRun === true && started.wasSwitchedOff) session.warn('Rotation is off; this would switch it on again.');
    // Then AWS makes the changes, not this command, whose list of them would be empty.
    const showsInDryRun = started.outcome === 'taken up';
    if (wait !== true || dryRun === true) {
      const next = dryRun === true ? [] : [step('status')];
      return { result: started, lines: () => [rotateLine(started)], next, showsInDryRun };
    }
    const say = (line: string): void => {
      if (json === true) return;
      world.stderr.write(`${wrapped(printable(line), 100, '  ').join('\n')}\n`);
    };
    say(rotateLine(started));
    const { versionId } = started;
    const onInterrupt = (): void => {
      world.stderr.write('\nThis command has stopped watching. The rotation continues in AWS: see status.\n');
      process.exit(130);
    };
    process.once('SIGINT', onInterrupt);
    const keyNumber = await followRotation(deps, {
      versionId,
      timeLimit: timeout * 1000,
      onStage: (stage) => {
        say(`- the new version ${stage}`);
      },
      onStep: ({ step, outcome, reason }) => {
        say(`- ${step} ${outcome}${reason === undefined ? '' : `: ${reason}`}`);
      },
      readLog: await rotationLog(session, options, versionId, (why) => {
        const text = `The function's log is not shown: ${why}.`;
        if (json === true) session.warn(text);
        else say(`- ${text}`);
      }),
    }).finally(() => process.off('SIGINT', onInterrupt));
    return { result: { ...started, keyNumber }, lines: () => [`Now key ${keyNumber} is current.`], showsInDryRun };
  },
});

function seconds(text: string): number {
  if (!/^[0-9]{1,5}$/.test(text) || Number(text) === 0)
    throw new InvalidArgumentError('a whole number of seconds from 1 is needed');
  return Number(text);
}

export interface RotateResult {
  /** The version that the rotation makes. */
  readonly versionId: string;
  /** `taken up`: an earlier rotation was unfinished, and the service runs it again. */
  readonly outcome: 'started' | 'taken up';
  /** Whether rotation was off. Starting one switches it on. */
  readonly wasSwitchedOff: boolean;
}

/**
 * Starts a rotation. If an earlier one is unfinished, the service runs that one again. Throws before it starts
 * anything: `RING_FULL` and `INVALID_KEY_VALUE` if the rotation could not finish, `ROTATION_DISABLED` without a rotation
 * function, and `ROTATION_UNDER_WAY` for a cancelled rotation. If rotation is off, it asks first, because rotating switches the
 * schedule on again.
 */
export async function runRotate(deps: CommandDependencies): Promise<RotateResult> {
  const { secret, ring } = await describedRing(deps);
  if (secret.RotationLambdaARN === undefined) throw noFunction(secret, deps.secretId);
  const wasSwitchedOff = secret.RotationEnabled !== true;
  const versionId = deps.newVersionId();
  const pending = ring.pending === ring.current ? undefined : ring.pending;
  if (wasSwitchedOff && pending !== undefined) throw cancelled(pending);
  requireNumbers(ring, slotsNeeded(ring, pending ?? versionId));
  if (await hasWrongKey(deps, ring)) await refuseWrongKeys(deps);
  if (wasSwitchedOff) {
    await deps.confirm({
      action: 'Switch the cancelled rotation on again, and rotate',
      risk: 'Its schedule then rotates on its own.',
    });
  }
  try {
    const answer = await deps.secrets.rotateSecret({ SecretId: deps.secretId, ClientRequestToken: versionId });
    return { versionId: await shownVersion(deps, answer.VersionId ?? versionId), outcome: 'started', wasSwitchedOff };
  } catch (error) {
    if (isReattempt(error)) {
      return { versionId: await unfinishedVersion(deps, ring.current), outcome: 'taken up', wasSwitchedOff };
    }
    throw refused('RotateSecret', deps.secretId, error);
  }
}

/** A value that is not a key, where a rotation needs one. */
async function hasWrongKey(deps: CommandDependencies, ring: RingLabels): Promise<boolean> {
  const { current, numberOf } = ring;
  if ((await numberedWithoutKey(deps, ring)).length > 0) return true;
  if (current === undefined || numberOf.has(current)) return false;
  return (await readingOf(deps, current)).kind === 'no key';
}

/** What a first description shows may have been put right since. */
async function refuseWrongKeys(deps: CommandDependencies): Promise<void> {
  await deps.sleep(LONGEST_DELAY);
  const wrong = wrongKeys(await readRingReport(deps, { readsNumbered: true }));
  if (wrong.length === 0) return;
  throw new CommandRefusal(
    'INVALID_KEY_VALUE',
    `${wrong.map(({ text }) => text).join(' ')} No rotation was started.`,
    ...wrong.flatMap(({ next }) => next),
  );
}

/** The version of the rotation that was started, once a description shows it. */
async function shownVersion(deps: CommandDependencies, versionId: string): Promise<string> {
  const done = `A rotation has started (version ${versionId}).`;
  await requireSeen(deps, done, ({ ring }) => ring.stages[versionId] !== undefined);
  return versionId;
}

/**
 * The version of the rotation that runs again. AWS does not name it, and the first description may be too old. By the
 * next one, that rotation may have ended, and its version be current.
 */
async function unfinishedVersion(deps: CommandDependencies, formerCurrent: string | undefined): Promise<string> {
  const done = 'An earlier rotation is unfinished, and AWS runs it again.';
  const versionOf = ({ pending, current }: RingLabels): string | undefined => {
    if (pending !== undefined && pending !== current) return pending;
    return current === formerCurrent ? undefined : current;
  };
  const { ring } = await requireSeen(deps, done, (seen) => versionOf(seen.ring) !== undefined);
  return versionOf(ring) ?? '';
}

/** AWS answers that it will run such a rotation again, but never does: rotation stays off. */
function cancelled(pending: string): CommandRefusal {
  return new CommandRefusal(
    'ROTATION_UNDER_WAY',
    `Rotation is off, and a cancelled rotation has left AWSPENDING on version ${pending}, so AWS would not run it ` +
      'again. End it first, then rotate.',
    step('rotate', '--clean-up'),
  );
}

function isReattempt(error: unknown): boolean {
  return error instanceof Error && error.message.includes('will be reattempted');
}

function noFunction(secret: DescribeSecretResponse, secretId: string): KeyRotationError {
  if (isReplica(secret)) {
    const region = secret.PrimaryRegion ?? '';
    return new KeyRotationError(
      'ROTATION_DISABLED',
      `This is a replica of '${secretId}'. Its primary is in ${region}, and rotates there: --region ${region}.`,
    );
  }
  return new KeyRotationError(
    'ROTATION_DISABLED',
    `Secret '${secretId}' has no rotation function. Deploy the stack, which sets function and schedule, or name a ` +
      "function with 'aws secretsmanager rotate-secret --rotation-lambda-arn'.",
  );
}

function rotateLine({ versionId, outcome, wasSwitchedOff }: RotateResult): string {
  const off = wasSwitchedOff ? ' Rotation was off; this switches it on.' : '';
  return outcome === 'started'
    ? `A rotation has started (version ${versionId}).${off}`
    : `An earlier rotation is unfinished; AWS says that it will run it again (version ${versionId}).${off}`;
}

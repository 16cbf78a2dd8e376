import type { CommandDependencies, OperatorSecrets } from '../../src/cli/aws/operator.ts';
import { runAdopt } from '../../src/cli/commands/adopt.ts';
import { runCleanUp } from '../../src/cli/ring/clean-up.ts';
import type { NoteCode } from '../../src/cli/status/note.ts';
import { runPut, runPutNotCurrent } from '../../src/cli/commands/put.ts';
import { runRestore } from '../../src/cli/commands/restore.ts';
import { runRetire } from '../../src/cli/commands/retire.ts';
import { runRollback } from '../../src/cli/commands/rollback.ts';
import { runRotate } from '../../src/cli/commands/rotate.ts';
import { runStatus } from '../../src/cli/commands/status.ts';
import { isKeyRotationError } from '../../src/format/error.ts';
import { toKeyNumber } from '../../src/format/key-number.ts';
import { copyVersions } from '../../src/format/retired-tag.ts';
import { stopServices } from '../local/support/running-service.ts';
import { HOUR, token } from '../local/support/state-machine.ts';
import { moveKeys } from '../../src/cli/move/move-keys.ts';
import { current, keyOf, previous, ringWith, type TestRing } from '../support/ring.ts';
import { Rows } from '../support/rows.ts';
import { counting, numbers, operatorOf, spell, valueOf } from './support/operator.ts';

afterEach(stopServices);

const KMS_KEY = 'arn:aws:kms:us-east-1:123456789012:key/new';

class Killed extends Error {}

/** The first `last` calls take effect, the last of them without an answer; nothing answers from then on. */
function killedAfter(last: number): (secrets: OperatorSecrets) => OperatorSecrets {
  let calls = 0;
  return (secrets) => {
    const cut =
      <In, Out>(call: (input: In) => Promise<Out>) =>
      async (input: In): Promise<Out> => {
        calls += 1;
        if (calls > last) throw new Killed();
        const answer = await call(input);
        if (calls === last) throw new Killed();
        return answer;
      };
    return {
      describeSecret: cut(secrets.describeSecret),
      getSecretValue: cut(secrets.getSecretValue),
      putSecretValue: cut(secrets.putSecretValue),
      updateSecretVersionStage: cut(secrets.updateSecretVersionStage),
      listSecretVersionIds: cut(secrets.listSecretVersionIds),
      listSecrets: cut(secrets.listSecrets),
      rotateSecret: cut(secrets.rotateSecret),
      tagResource: cut(secrets.tagResource),
      untagResource: cut(secrets.untagResource),
      updateSecret: cut(secrets.updateSecret),
    };
  };
}

interface Trial {
  readonly name: string;
  readonly begin: () => Promise<TestRing>;
  readonly command: (deps: CommandDependencies) => Promise<unknown>;
  /** States between beginning and end in which nothing is unfinished: all that is in use has its number. */
  readonly nothingLeft?: readonly string[];
  /** Another end: without tags, and with what `status` then says. */
  readonly endWithoutTags?: readonly string[];
}

const retire = (deps: CommandDependencies, force = false) =>
  runRetire(deps, counting(), { numbers: numbers(1, 2), force });

async function ringOfFive(): Promise<TestRing> {
  const ring = await ringWith(1, 2, 3, previous(4), current(5));
  await ring.service.advance(25 * HOUR);
  return ring;
}

/** Both keys have their numbers, and the command has not begun with what it is for. */
const BOTH_NUMBERED = ['AWSPREVIOUS key-v1, AWSCURRENT key-v2'];

const TRIALS: readonly Trial[] = [
  {
    name: 'put',
    begin: () => ringWith(previous(), current()),
    command: (deps) => runPut(deps, valueOf(9)),
    nothingLeft: BOTH_NUMBERED,
  },
  { name: 'put, the first', begin: () => ringWith(), command: (deps) => runPut(deps, valueOf(9)) },
  {
    name: 'put over a placeholder',
    begin: async () => {
      const ring = await ringWith(previous(1), current(2));
      await ring.begin();
      // Its adoption would number the key between two looks at one state.
      ring.lambda = 'does nothing';
      return ring;
    },
    command: (deps) => runPut(deps, valueOf(9)),
  },
  {
    name: 'put --not-current',
    begin: () => ringWith(previous(), current()),
    command: (deps) => runPutNotCurrent(deps, valueOf(9)),
    nothingLeft: BOTH_NUMBERED,
  },
  { name: 'adopt', begin: () => ringWith(previous(), current()), command: (deps) => runAdopt(deps, {}) },
  {
    name: 'rollback',
    begin: async () => {
      const ring = await ringWith(previous(), current());
      await ring.label('AWSPENDING', 2);
      return ring;
    },
    command: (deps) => runRollback(deps, {}),
    nothingLeft: BOTH_NUMBERED,
  },
  {
    name: 'rollback --undo',
    begin: () => ringWith(current(1), previous(2)),
    // Repeated once it is done, it refuses: there is nothing to undo any more.
    command: (deps) =>
      runRollback(deps, { undo: true }).catch((error: unknown) => {
        if (!isKeyRotationError(error, 'NOTHING_TO_UNDO')) throw error;
      }),
  },
  {
    name: 'adopt --version-id',
    begin: async () => {
      const ring = await ringWith(current(1));
      for (const place of [2, 3, 4]) await ring.put(keyOf(place).toString('base64'), token(place));
      return ring;
    },
    command: (deps) => runAdopt(deps, { versionId: token(2) }),
  },
  {
    name: 'rotate',
    begin: async () => {
      const ring = await ringWith(previous(1), current(2));
      await ring.enableRotation();
      ring.lambda = 'fails';
      return ring;
    },
    command: runRotate,
  },
  { name: 'retire', begin: ringOfFive, command: (deps) => retire(deps) },
  {
    name: 'retire --force',
    begin: () => ringWith(1, 2, 3, previous(4), current(5)),
    command: (deps) => retire(deps, true),
  },
  {
    name: 'restore',
    begin: async () => {
      const ring = await ringOfFive();
      await retire(operatorOf(ring).deps);
      return ring;
    },
    command: (deps) => runRestore(deps, toKeyNumber(1)),
  },
  {
    name: 'move',
    begin: async () => {
      const ring = await ringWith(1, previous(2), current(3));
      await ring.enableRotation();
      return ring;
    },
    command: (deps) => moveKeys(deps, KMS_KEY),
  },
  {
    name: 'rotate --clean-up',
    begin: async () => {
      const ring = await ringWith(previous(1), current(2));
      await ring.begin();
      await ring.step('createSecret');
      ring.lambda = 'does nothing';
      return ring;
    },
    command: runCleanUp,
    // Only after the label is off may a tag say that the version was never in use. No one can tell later on.
    endWithoutTags: [`version-without-label: pazpaz-keys adopt --version-id ${token(3)}`],
  },
];

/** Notes that stand before and after, and are about no interrupted command. */
const ALWAYS: readonly NoteCode[] = ['rotation-off', 'restorable', 'ring-nearly-full'];

/** What a command has to leave, apart from dates and from the ids that differ from run to run. */
function shapeOf(ring: TestRing): { readonly versions: readonly string[]; readonly tags: readonly string[] } {
  const versions = Object.values(ring.secret.versions).map(({ stages }) => [...stages].sort().join(' '));
  const { tags } = ring.secret;
  // A second run puts the same versions into other tags.
  const copies = [...copyVersions(tags)].map((versionId) => `copy of ${versionId}`);
  const others = tags.map(({ Key }) => Key).filter((name) => !name.startsWith('pazpaz:copy:'));
  return { versions, tags: [...copies, ...others.map((name) => name.replace(/abandoned:.*/, 'abandoned'))].sort() };
}

async function notesOf(ring: TestRing): Promise<readonly string[]> {
  const { notes } = await runStatus(operatorOf(ring).deps);
  return notes
    .filter(({ code }) => !ALWAYS.includes(code))
    .map(({ code, next }) => `${code}: ${next.map(spell).join(' | ')}`);
}

describe.each(TRIALS)(
  '$name, killed before and after each of its calls',
  ({ begin, command, nothingLeft = [], endWithoutTags }) => {
    test('status tells what to do, rows stay readable, and the same command ends as if it had not been killed', async () => {
      const whole = await begin();
      await command(operatorOf(whole).deps);
      const wanted = shapeOf(whole);
      const ends = [{ shape: wanted, notes: await notesOf(whole) }];
      if (endWithoutTags !== undefined) ends.push({ shape: { ...wanted, tags: [] }, notes: endWithoutTags });
      const states = new Set<string>();
      const quiet = new Set<string>();

      // Killed before a call is killed after the one before it: the service is in the same state.
      for (let last = 0; ; last += 1) {
        const ring = await begin();
        const rows = new Rows(ring);
        if (ring.labels[1] !== undefined) await rows.write();
        const before = shapeOf(ring);
        const killed = await command(operatorOf(ring, killedAfter(last)).deps).then(
          () => false,
          () => true,
        );
        if (!killed) break;
        const [state, notes] = [shapeOf(ring), await notesOf(ring)];
        states.add(JSON.stringify(state));
        // Between its beginning and its end the screen says that there is something to do, and with which command.
        const isBetween = [before, wanted].every((other) => JSON.stringify(other) !== JSON.stringify(state));
        if (isBetween && notes.length === 0) quiet.add(Object.values(ring.labels).join(', '));
        expect(await rows.unreadable()).toEqual([]);

        await command(operatorOf(ring).deps);
        expect(ends).toContainEqual({ shape: shapeOf(ring), notes: await notesOf(ring) });
        await stopServices();
      }
      expect(states.size).toBeGreaterThan(1);
      expect([...quiet]).toEqual(nothingLeft);
    });
  },
);

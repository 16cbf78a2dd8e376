import { buffer } from 'node:stream/consumers';
import type { KeyRotationError } from '../../format/error.ts';
import { EXAMPLE_KEY_REFUSED, isRefusedExample } from '../../format/example-key.ts';
import { KeyMaterial } from '../../format/key-material.ts';
import { writeKeyValue } from '../../format/key-value.ts';
import { retiredKeys, type RetiredKey } from '../../format/retired-tag.ts';
import { INCOMING_LABEL, ringLabels, type RingLabels } from '../../format/ring-labels.ts';
import { adopt } from '../../secret/adopt.ts';
import { attachNextNumber, requireNextNumber } from '../../secret/numbering.ts';
import type { CommandDependencies } from '../aws/operator.ts';
import type { AwsSession } from '../aws/session.ts';
import { wrongUsage, command } from '../command.ts';
import { COUNT, object, TEXT, YES_OR_NO } from '../json/shapes.ts';
import type { ProcessIo } from '../process-io.ts';
import { finishIncoming, incomingVersion, slotsForIncoming } from '../ring/incoming.ts';
import {
  keyName,
  LONGEST_DELAY,
  noCurrentKey,
  onFreshRing,
  readableKey,
  refuseRotationUnderWay,
  requireSlots,
  onSettledRing,
  stateChanged,
  versionOfKey,
  type DescribedRing,
} from '../ring/ring.ts';
import { requireSeen, settledRing } from '../ring/look-again.ts';
import { store, untilShown, type StoredValue } from '../ring/store.ts';
import { givenBytes, givenText, valueOfSecret, type GivenValue } from '../ring/supplied-key.ts';
import { CommandRefusal, step } from '../suggested-commands.ts';

interface PutFlags {
  readonly notCurrent?: boolean;
  readonly generate?: boolean;
  /** `true`: use the default variable. */
  readonly fromEnv?: string | boolean;
  readonly fromSecret?: string;
}

const USUAL_VARIABLE = 'ENCRYPTION_MASTER_KEY';

export const PUT = command<PutFlags>({
  name: 'put',
  summary: 'Add a key: make it current, or (--not-current) only decrypt with it',
  details:
    'The key comes from standard input, --from-env, --from-secret or --generate, never from an argument. It is ' +
    'stored in the format of the current key: base64, JSON or 32 bytes. Refused while a rotation is under way.',
  examples: [
    'pazpaz-keys put --generate --yes',
    'pazpaz-keys put --yes < key.txt',
    'pazpaz-keys put --not-current --from-env ENCRYPTION_MASTER_KEY',
    'pazpaz-keys put --not-current --from-secret pazpaz/encryption-key-v2',
  ],
  result: object({ versionId: TEXT, number: COUNT, isCurrent: YES_OR_NO, wasThere: YES_OR_NO }),
  writes: 'asks',
  setUp: (program) =>
    program
      .option('--not-current', 'add a key that only decrypts, such as one used during an outage')
      .option('--generate', 'create a random key')
      .option('--from-env [variable]', `read it from an environment variable (default: ${USUAL_VARIABLE})`)
      .option('--from-secret <name>', 'read it from the current value of another secret'),
  run: async (session, options, _, world) => {
    const value = await givenValue(session, options, world);
    if (options.notCurrent !== true) refuseExampleKey(value, world);
    const result = await (options.notCurrent === true ? runPutNotCurrent : runPut)(session.deps, value);
    return { result, lines: () => [putLine(result)] };
  },
});

async function givenValue({ deps }: AwsSession, options: PutFlags, world: ProcessIo): Promise<GivenValue> {
  const { generate, fromEnv, fromSecret, notCurrent } = options;
  if ([generate, fromEnv, fromSecret].filter((source) => source !== undefined).length > 1) {
    wrongUsage('Name one source of the key: --generate, --from-env or --from-secret.');
  }
  if (fromSecret !== undefined) return valueOfSecret(deps, fromSecret);
  if (fromEnv !== undefined) {
    const name = typeof fromEnv === 'string' ? fromEnv : USUAL_VARIABLE;
    const text = world.environment[name];
    if (text === undefined || text === '') wrongUsage(`The environment variable ${name} is not set.`);
    return givenText(text, `Environment variable ${name}`);
  }
  if (generate === true) {
    if (notCurrent === true)
      wrongUsage('A new random key has encrypted nothing, so --generate cannot be used with --not-current.');
    const bytes = KeyMaterial.fromBytes(world.randomKey()).exportBytes();
    return givenText(bytes.toString('base64'), 'The generated key');
  }
  if (world.stdin.isTTY === true) {
    wrongUsage('Give the key on standard input (put --yes < key.txt), or use --generate, --from-env or --from-secret.');
  }
  return givenBytes(await buffer(world.stdin), 'Standard input');
}

/** The example key may read what it has written, but as the current key it would encrypt. */
function refuseExampleKey({ key }: GivenValue, world: ProcessIo): void {
  if (!isRefusedExample(key, world.environment['ENVIRONMENT'])) return;
  throw new CommandRefusal(
    'INVALID_KEY_VALUE',
    `The given key ${EXAMPLE_KEY_REFUSED} If it has encrypted data, add it with --not-current, which only decrypts.`,
    step('put', '--generate'),
  );
}

export interface PutResult {
  readonly versionId: string;
  readonly number: number;
  readonly isCurrent: boolean;
  /** Whether the key was there before, so that nothing was stored. */
  readonly wasThere: boolean;
}

/**
 * Makes a given key current, in the format of the current one: numbers the keys in use, puts the value and numbers it.
 * If the key is current already, it only numbers it. Before it writes anything, it refuses while a rotation is under
 * way (`ROTATION_UNDER_WAY`), without enough free labels (`RING_FULL`), and if another key has become current since the
 * question (`STATE_CHANGED`).
 */
export async function runPut(deps: CommandDependencies, given: GivenValue): Promise<PutResult> {
  const check = async (ring: RingLabels): Promise<void> => {
    await refuseRotationUnderWay(deps, ring);
    await requireSlots(deps, ring, 1);
    requireNextNumber(ring);
  };

  const isDone = async ({ ring }: DescribedRing) => (await currentIfThisKey(deps, ring, given)) !== undefined;
  const { ring: before } = await settledRing(deps, isDone);
  let known = await currentIfThisKey(deps, before, given);
  if (known !== undefined) return numberPut(deps, known, { wasThere: true });
  await check(before);
  await deps.confirm({
    action:
      'Make a new key current in place of ' + (before.current === undefined ? 'none' : keyName(before, before.current)),
    risk: 'Applications encrypt with it from their next refresh on. The previous key still decrypts.',
  });
  let storedAs: string | undefined;
  await onSettledRing(deps, async ({ ring }) => {
    // Another process has put the same key.
    known = await currentIfThisKey(deps, ring, given);
    if (known !== undefined) return { ring, wrote: false };
    if (ring.current !== before.current) throw stateChanged('Another key has become current');
    await check(ring);
    const adopted = await finishIncoming(deps, await adopt(deps, ring));
    storedAs = await store(deps, await valueFor(deps, ring, given), undefined);
    return { ring: withVersion(adopted.ring, storedAs), wrote: true };
  });
  const versionId = storedAs ?? known ?? '';
  if (storedAs !== undefined) await untilShown(deps, storedAs);
  return numberPut(deps, versionId, { wasThere: storedAs === undefined });
}

/**
 * Adds a key that only decrypts: stored under `key-incoming`, numbered, then `key-incoming` is detached. A key that is
 * on the ring already is not stored again. Refuses as `runPut` does (it takes two labels), and with `NO_CURRENT_KEY` on
 * a secret without a value, because the service would make it current.
 */
export async function runPutNotCurrent(deps: CommandDependencies, given: GivenValue): Promise<PutResult> {
  let known: string | undefined;
  let storedAs: string | undefined;
  await onSettledRing(deps, async ({ ring }) => {
    if (ring.current === undefined)
      throw noCurrentKey(deps.secretId, 'and AWS makes its first value current whatever its labels');
    await refuseRotationUnderWay(deps, ring);
    known = (await versionOfKey(deps, ring, given.key)) ?? (await incomingIfThisKey(deps, ring, given));
    await requireSlots(deps, ring, known === undefined ? 2 : await slotsForIncoming(deps, ring));
    if (known === undefined) requireNextNumber(ring);
    const adopted = await finishIncoming(deps, await adopt(deps, ring));
    if (known !== undefined) return adopted;
    storedAs = await store(deps, await valueFor(deps, ring, given), [INCOMING_LABEL]);
    return { ring: withVersion(adopted.ring, storedAs), wrote: true };
  });
  if (storedAs !== undefined) await untilShown(deps, storedAs);
  return numberPut(deps, storedAs ?? known ?? '', { wasThere: storedAs === undefined });
}

/**
 * Numbers the put version, whatever labels others have moved meanwhile, and finishes everything else that has no
 * number. Ends with a description that shows the number. After a put it is later than that, so it says what is current;
 * a number that was there before proves nothing of the kind, so that description is from six seconds later.
 */
async function numberPut(
  deps: CommandDependencies,
  versionId: string,
  { wasThere }: Pick<PutResult, 'wasThere'>,
): Promise<PutResult> {
  let number = 0;
  await onFreshRing(deps, async ({ secret, ring }) => {
    const adopted = await adopt(deps, ring);
    const retired = retiredKeys(secret.Tags).find((key) => key.versionId === versionId);
    const hasNumber = adopted.ring.numberOf.has(versionId);
    if (retired !== undefined && !hasNumber) throw retiredSince(retired);
    const numbered = hasNumber ? adopted : { ring: await attachNextNumber(deps, adopted.ring, versionId), wrote: true };
    const finished = await finishIncoming(deps, numbered);
    number = finished.ring.numberOf.get(versionId) ?? 0;
    return finished;
  });
  if (wasThere) await deps.sleep(LONGEST_DELAY);
  const done = `Version ${versionId} is stored, and numbered as key ${number}.`;
  const { ring } = await requireSeen(
    deps,
    done,
    (described) => described.ring.numberOf.get(versionId) === number && incomingVersion(described.ring) !== versionId,
  );
  return { versionId, number, isCurrent: ring.current === versionId, wasThere };
}

async function currentIfThisKey(
  deps: CommandDependencies,
  { current }: RingLabels,
  { key }: GivenValue,
): Promise<string | undefined> {
  if (current === undefined) return undefined;
  return (await readableKey(deps, current))?.key.equals(key) === true ? current : undefined;
}

async function incomingIfThisKey(
  deps: CommandDependencies,
  ring: RingLabels,
  { key }: GivenValue,
): Promise<string | undefined> {
  const versionId = incomingVersion(ring);
  if (versionId === undefined) return undefined;
  return (await readableKey(deps, versionId))?.key.equals(key) === true ? versionId : undefined;
}

/** The key in the ring's format. If the current value is not a key, the previous one may show the format. */
async function valueFor(deps: CommandDependencies, ring: RingLabels, given: GivenValue): Promise<StoredValue> {
  for (const versionId of [ring.current, ring.previous]) {
    const stored = versionId === undefined ? undefined : await readableKey(deps, versionId);
    if (stored !== undefined) return writeKeyValue(given.key, stored.format, deps.now());
  }
  return writeKeyValue(given.key, given.format, deps.now());
}

function withVersion(ring: RingLabels, versionId: string): RingLabels {
  return ringLabels({ ...ring.stages, [versionId]: [] });
}

function retiredSince({ number, versionId }: RetiredKey): KeyRotationError {
  return new CommandRefusal(
    'VERSION_IS_RETIRED',
    `The key was stored as version ${versionId}, but since then it was numbered and retired by someone else. ` +
      "'restore' brings it back under that number.",
    step('restore', String(number)),
  );
}

function putLine({ number, versionId, isCurrent, wasThere }: PutResult): string {
  const name = number === 0 ? `version ${versionId}` : `key ${number} (version ${versionId})`;
  if (isCurrent) return wasThere ? `This is ${name}, which is current already.` : `Now ${name} is current.`;
  return wasThere ? `This is ${name}, which is on the ring already.` : `Now ${name} is on the ring. It only decrypts.`;
}

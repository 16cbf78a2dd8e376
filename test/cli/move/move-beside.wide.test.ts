import { ReplicateSecretToRegionsCommand, type SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import type { OperatorSecrets } from '../../../src/cli/aws/operator.ts';
import { bringKeys } from '../../../src/cli/backup/bring-keys.ts';
import { readRing } from '../../../src/cli/backup/read-ring.ts';
import { runStatus } from '../../../src/cli/commands/status.ts';
import { moveKeys } from '../../../src/cli/move/move-keys.ts';
import { recommended } from '../../../src/cli/status/notes.ts';
import { describedRing } from '../../../src/cli/ring/ring.ts';
import { operatorSecrets } from '../../../src/cli/aws/operator-secrets.ts';
import { isKeyRotationError } from '../../../src/format/error.ts';
import { clientOf, stopServices } from '../../local/support/running-service.ts';
import { current, keyOf, previous, ringWith, SECRET, type TestRing } from '../../support/ring.ts';
import { Rows } from '../../support/rows.ts';
import { endpointOf, operatorOf } from '../support/operator.ts';

/* What happens beside a move, over HTTP: a rotation, another move, replicas, and a KMS key that is disabled. */

const arn = (id: string): string => `arn:aws:kms:us-east-1:123456789012:key/${id}`;
const [OLD, NEW, THIRD] = [arn('old'), arn('new'), arn('third')];

/** Every seventh place in `npm test`, each one in `npm run explore`. */
const STEP = process.env['EXPLORE'] === 'deep' ? 1 : 7;
const PLACES = Array.from({ length: 36 }, (_, place) => place).filter((place) => place % STEP === 0);

jest.setTimeout(600_000);
afterEach(stopServices);

async function oldRing(): Promise<{ readonly ring: TestRing; readonly rows: Rows }> {
  const ring = await ringWith(1, 2, previous(3), current(4));
  for (const version of Object.values(ring.secret.versions)) Object.assign(version, { kmsKeyId: OLD });
  await ring.enableRotation();
  const rows = new Rows(ring);
  await rows.write(2);
  return { ring, rows };
}

type Change = (secrets: OperatorSecrets) => OperatorSecrets;

/** Each call of a command, with what comes before it; `place` counts from 0. */
const beforeCall =
  (happens: (place: number) => Promise<void>): Change =>
  (secrets) => {
    let place = 0;
    const wrapped =
      <In, Out>(call: (input: In) => Promise<Out>) =>
      async (input: In): Promise<Out> => {
        await happens(place++);
        return call(input);
      };
    return {
      ...secrets,
      describeSecret: wrapped(secrets.describeSecret),
      listSecretVersionIds: wrapped(secrets.listSecretVersionIds),
      getSecretValue: wrapped(secrets.getSecretValue),
      putSecretValue: wrapped(secrets.putSecretValue),
      updateSecret: wrapped(secrets.updateSecret),
      updateSecretVersionStage: wrapped(secrets.updateSecretVersionStage),
      tagResource: wrapped(secrets.tagResource),
      untagResource: wrapped(secrets.untagResource),
    };
  };

const move = (ring: TestRing, to: string, change?: Change): Promise<unknown> =>
  moveKeys(operatorOf(ring, change).deps, to);

/** What a move may say of others that change the ring at the same time. */
const REFUSALS = ['ROTATION_UNDER_WAY', 'LABEL_CONFLICT', 'STATE_CHANGED', 'NOT_SEEN_YET'] as const;

async function refusedAtMost(work: Promise<unknown>): Promise<void> {
  await work.catch((error: unknown) => {
    if (!REFUSALS.some((code) => isKeyRotationError(error, code))) throw error;
  });
}

/** The first four numbers still name their keys, and rows open. */
async function requireWhole(ring: TestRing, rows: Rows): Promise<void> {
  expect(await rows.unreadable()).toEqual([]);
  for (const number of [1, 2, 3, 4]) {
    const holders = Object.values(ring.secret.versions).filter(({ stages }) => stages.includes(`key-v${number}`));
    expect(holders.map(({ value }) => (value?.kind === 'string' ? value.text : undefined))).toEqual([
      keyOf(number).toString('base64'),
    ]);
  }
}

/** Runs the move again, as `status` says, until nothing is left. */
async function healed(ring: TestRing, rows: Rows, to: string): Promise<void> {
  await move(ring, to);
  await requireWhole(ring, rows);
  const { notes } = await runStatus(operatorOf(ring).deps);
  expect(recommended(notes)).toBeUndefined();
}

describe('a rotation beside a move', () => {
  test.each(PLACES)('a whole one before call %i', async (at) => {
    const { ring, rows } = await oldRing();
    const rotates = beforeCall(async (place) => {
      if (place !== at) return;
      expect(await ring.rotate()).toMatchObject({ outcome: 'succeeded' });
      await rows.write();
    });
    await refusedAtMost(move(ring, NEW, rotates));
    await healed(ring, rows, NEW);
  });

  test.each(PLACES)('its steps before the calls from %i on', async (from) => {
    const { ring, rows } = await oldRing();
    const steps = ['createSecret', 'setSecret', 'testSecret', 'finishSecret'] as const;
    let next = 0;
    const runNext = async (): Promise<void> => {
      const step = steps[next];
      if (step === undefined) return;
      if (next === 0) await ring.begin();
      next += 1;
      await ring.step(step);
      if (next === steps.length) await ring.detach('AWSPENDING');
    };
    await refusedAtMost(
      move(
        ring,
        NEW,
        beforeCall((place) => (place < from ? Promise.resolve() : runNext())),
      ),
    );
    while (next < steps.length) await runNext();
    await rows.write();
    await healed(ring, rows, NEW);
  });
});

describe('two moves at once', () => {
  test.each([
    ['to the same KMS key', NEW],
    ['to different ones', THIRD],
  ])('%s', async (_, other) => {
    const { ring, rows } = await oldRing();
    await Promise.all([refusedAtMost(move(ring, NEW)), refusedAtMost(move(ring, other))]);
    await requireWhole(ring, rows);
    await healed(ring, rows, other);
  });

  test('where one begins and ends before a call of the other', async () => {
    for (const at of PLACES) {
      const { ring, rows } = await oldRing();
      await refusedAtMost(
        move(
          ring,
          NEW,
          beforeCall((place) => (place === at ? refusedAtMost(move(ring, NEW)) : Promise.resolve())),
        ),
      );
      await healed(ring, rows, NEW);
      await stopServices();
    }
  });
});

describe('beside replicas', () => {
  async function replica(ring: TestRing): Promise<SecretsManagerClient> {
    const AddReplicaRegions = [{ Region: 'eu-west-1' }];
    await ring.client.send(new ReplicateSecretToRegionsCommand({ SecretId: SECRET, AddReplicaRegions }));
    return clientOf(await endpointOf(ring), 1, 'eu-west-1');
  }

  /** The value of each number, in the region of a client. */
  async function keysIn(ring: TestRing, client: SecretsManagerClient): Promise<Readonly<Record<string, string>>> {
    const deps = { ...operatorOf(ring).deps, secrets: operatorSecrets(client) };
    const { keys } = await readRing(deps, await describedRing(deps));
    return Object.fromEntries(
      keys.flatMap(({ numbers, key }) => numbers.map((number) => [number, key.exportBytes().toString('base64')])),
    );
  }

  const KEYS = Object.fromEntries([1, 2, 3, 4].map((number) => [number, keyOf(number).toString('base64')]));

  test('a move leaves every number there with its key', async () => {
    const { ring, rows } = await oldRing();
    const there = await replica(ring);
    await healed(ring, rows, NEW);
    expect(await keysIn(ring, there)).toEqual(KEYS);
    there.destroy();
  });

  test('restore-ring brings a lost number there, too', async () => {
    const { ring } = await oldRing();
    const there = await replica(ring);
    const { deps } = operatorOf(ring);
    const backup = await readRing(deps, await describedRing(deps));
    await ring.detach('key-v1');
    await bringKeys(deps, backup);
    expect(await keysIn(ring, there)).toEqual(KEYS);
    there.destroy();
  });
});

describe('a KMS key that is disabled half way', () => {
  /** Reads and writes under a KMS key fail from a call on, as Secrets Manager answers then. */
  const disabledFrom =
    (ring: TestRing, kmsKeyId: string, at: number): Change =>
    (secrets) => {
      let isDisabled = false;
      const failure = (): Error =>
        Object.assign(new Error(`${kmsKeyId} is disabled.`), { name: 'DecryptionFailure', $fault: 'client' });
      const counted = beforeCall((place) => {
        isDisabled ||= place >= at;
        return Promise.resolve();
      })(secrets);
      return {
        ...counted,
        getSecretValue: async (input) => {
          const version = ring.secret.versions[input.VersionId ?? ''];
          if (isDisabled && version?.kmsKeyId === kmsKeyId) throw failure();
          return counted.getSecretValue(input);
        },
        putSecretValue: async (input) => {
          if (isDisabled && ring.secret.kmsKeyId === kmsKeyId) throw failure();
          return counted.putSecretValue(input);
        },
      };
    };

  test.each([
    ['the former one', OLD],
    ['the new one', NEW],
  ])('%s: the move says so, nothing is lost, and it ends once the key is enabled again', async (_, kmsKeyId) => {
    for (const at of PLACES) {
      const { ring, rows } = await oldRing();
      await move(ring, NEW, disabledFrom(ring, kmsKeyId, at)).catch((error: unknown) => {
        expect(error).toMatchObject({ message: expect.stringContaining('is disabled') as string });
      });
      await requireWhole(ring, rows);
      await healed(ring, rows, NEW);
      await stopServices();
    }
  });
});

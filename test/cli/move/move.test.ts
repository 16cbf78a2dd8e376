import { UpdateSecretCommand } from '@aws-sdk/client-secrets-manager';
import { moveKeys, type MoveResult } from '../../../src/cli/move/move-keys.ts';
import { runRetire } from '../../../src/cli/commands/retire.ts';
import { runRestore } from '../../../src/cli/commands/restore.ts';
import { runStatus } from '../../../src/cli/commands/status.ts';
import type { OperatorSecrets } from '../../../src/cli/aws/operator.ts';
import { toKeyNumber } from '../../../src/format/key-number.ts';
import { stopServices } from '../../local/support/running-service.ts';
import { HOUR } from '../../local/support/state-machine.ts';
import { current, holding, keyOf, previous, ringWith, SECRET, type TestRing } from '../../support/ring.ts';
import { Rows } from '../../support/rows.ts';
import { asDescribed } from '../support/described.ts';
import { checkOf, found } from '../support/examined.ts';
import { counting, giveCredentials, numbers, operatorOf, pazpazKeys } from '../support/operator.ts';
import { refusesUntouched } from '../support/refusal.ts';

const arn = (id: string): string => `arn:aws:kms:us-east-1:123456789012:key/${id}`;
const [OLD, NEW, THIRD] = [arn('old'), arn('new'), arn('third')];

beforeAll(giveCredentials);
afterEach(stopServices);

async function setKmsKey(ring: TestRing, KmsKeyId: string): Promise<void> {
  await ring.client.send(new UpdateSecretCommand({ SecretId: SECRET, KmsKeyId }));
  await ring.service.idle();
}

/** Four keys under the old KMS key, two of them in use. The second is in a JSON value. */
async function oldRing(): Promise<TestRing> {
  const json = JSON.stringify({ encryption_key: keyOf(2).toString('base64'), owner: 'clinic' });
  const ring = await ringWith(1, holding(json, 2), previous(3), current(4));
  for (const version of Object.values(ring.secret.versions)) Object.assign(version, { kmsKeyId: OLD });
  await setKmsKey(ring, OLD);
  await ring.enableRotation();
  return ring;
}

const move = (
  ring: TestRing,
  to: string,
  change?: (secrets: OperatorSecrets) => OperatorSecrets,
): Promise<MoveResult> => moveKeys(operatorOf(ring, change).deps, to);

/** The value and the KMS key that each number names. */
function ringOf({ secret }: TestRing): Readonly<Record<string, string>> {
  const named = Object.values(secret.versions).flatMap(({ stages, value, kmsKeyId = 'managed' }) =>
    stages
      .filter((label) => label.startsWith('key-'))
      .map((label) => [label, `${value?.kind === 'string' ? value.text : ''} ${kmsKeyId}`] as const),
  );
  return Object.fromEntries(named.sort());
}

const under = (ring: TestRing, from: string, to: string): Readonly<Record<string, string>> =>
  Object.fromEntries(Object.entries(ringOf(ring)).map(([label, text]) => [label, text.replace(from, to)]));

describe('move', () => {
  test('brings every number under the new KMS key, with its value to the letter, and says what else needs the old one', async () => {
    const ring = await oldRing();
    const rows = new Rows(ring);
    await rows.write();
    const wanted = under(ring, OLD, NEW);
    const ran = await pazpazKeys(ring, ['move', '--kms-key-id', NEW, '--yes', '--json']);
    expect(ran).toMatchObject({ exitCode: 0, stderr: '' });
    const { result } = asDescribed('move', ran.stdout) as { readonly result: object };
    expect(result).toMatchObject({
      ...{ kmsKeyId: NEW, under: [1, 2, 3, 4], left: [], former: [OLD], retiredElsewhere: [] },
      moved: [
        { number: 1, from: ring.idOf(1) },
        { number: 2, from: ring.idOf(2) },
      ],
      canDisableFrom: expect.any(String) as string,
    });
    expect(ringOf(ring)).toEqual(wanted);
    expect(await rows.unreadable()).toEqual([]);
    const { notes, versions } = await runStatus(operatorOf(ring).deps);
    expect(notes).toEqual([]);
    expect(versions.filter(({ state }) => state === 'copy').map(({ versionId }) => versionId)).toEqual([
      ring.idOf(1),
      ring.idOf(2),
    ]);
    expect((await found(ring)).codes).toEqual([]);
  });

  test('that was interrupted is the only advice about the version that it works on', async () => {
    const ring = await oldRing();
    await ring.put(keyOf(9).toString('base64'), undefined, ['key-moving']);
    const codes = (await runStatus(operatorOf(ring).deps)).notes.map(({ code }) => code);
    expect(codes).toContain('move-unfinished');
    expect(codes).not.toContain('foreign-label-only');
  });

  test('is not called a label moved by hand where its keys cannot be read', async () => {
    const ring = await oldRing();
    await ring.service.advance(HOUR);
    await move(ring, NEW);
    const fault = { kind: 'error', type: 'AccessDeniedException', message: 'Access to KMS is not allowed' } as const;
    ring.service.faults.set({ ...fault, operation: 'GetSecretValue' });
    const { codes, checks } = await found(ring);
    expect(codes).toEqual(['kms-denied', 'unreadable-key']);
    expect(checkOf(checks, 'labels-moved')).toMatchObject({
      outcome: 'not checked',
      how: 'keys 1, 2: only the value shows whether move or restore-ring made the version.',
    });
  });

  test('says of the KMS key that AWS manages that no key needs it, and not that it may be disabled', async () => {
    const ring = await ringWith(1, previous(2), current(3));
    const { stdout } = await pazpazKeys(ring, ['move', '--kms-key-id', NEW, '--yes']);
    expect(stdout).toContain('No key of the ring needs the KMS key that AWS manages.');
    expect(stdout).toContain('ExistingKmsKeyArn');
    expect(stdout).not.toMatch(/disabled|DefaultEncryptionKey/);
  });

  test('has nothing to do the second time, and writes nothing', async () => {
    const ring = await oldRing();
    await move(ring, NEW);
    const before = ring.snapshot;
    expect(await move(ring, 'new')).toMatchObject({ moved: [], under: numbers(1, 2, 3, 4), left: [] });
    expect(ring.snapshot).toBe(before);
  });

  test('names the same day again in a later run, which moves nothing', async () => {
    const ring = await oldRing();
    const dayOf = async (): Promise<unknown> => {
      const { stdout } = await pazpazKeys(ring, ['move', '--kms-key-id', NEW, '--yes', '--json']);
      return (JSON.parse(stdout) as { result: { canDisableFrom: string } }).result.canDisableFrom.slice(0, 16);
    };
    const first = await dayOf();
    await ring.service.advance(25 * HOUR);
    expect(await dayOf()).toBe(first);
  });

  test('goes there and back, and on to a third', async () => {
    const ring = await oldRing();
    for (const [from, to] of [
      [OLD, NEW],
      [NEW, OLD],
      [OLD, NEW],
      [NEW, THIRD],
    ] as const) {
      const wanted = under(ring, from, to);
      await move(ring, to);
      expect(ringOf(ring)).toEqual(wanted);
    }
    expect((await runStatus(operatorOf(ring).deps)).notes).toEqual([]);
  });

  test('a dry run writes nothing, and a question names the stack that would go back', async () => {
    const ring = await oldRing();
    const before = ring.snapshot;
    const dry = await pazpazKeys(ring, ['move', '--kms-key-id', NEW, '--dry-run']);
    expect(dry.exitCode).toBe(0);
    expect(dry.stdout).toContain(`set the KMS key of the secret to ${NEW}`);
    expect(dry.stdout).toContain('move key-v2 from version');
    expect(ring.snapshot).toBe(before);
    const stack = { Key: 'aws:cloudformation:stack-name', Value: 'clinic-keys' };
    const { deps, questions } = operatorOf(ring, (secrets) => ({
      ...secrets,
      describeSecret: async (input) => {
        const answer = await secrets.describeSecret(input);
        return { ...answer, Tags: [...(answer.Tags ?? []), stack] };
      },
    }));
    await moveKeys(deps, NEW);
    expect(questions).toEqual([
      expect.objectContaining({
        action: expect.stringContaining('Move keys 1, 2 under') as string,
        risk: expect.stringContaining('clinic-keys') as string,
      }),
    ]);
  });

  test('refuses an alias, a placeholder, a secret without a key and a rotation under way', async () => {
    const ring = await oldRing();
    for (const name of ['alias/clinic', 'KMS_KEY']) {
      const refused = await pazpazKeys(ring, ['move', '--kms-key-id', name, '--yes']);
      expect(refused).toMatchObject({ exitCode: 2, stderr: expect.stringContaining('An alias') as string });
    }
    await refusesUntouched(await ringWith(), (deps) => moveKeys(deps, NEW), 'NO_CURRENT_KEY', 'nothing to move');
    await ring.put(keyOf(9).toString('base64'), undefined, ['AWSPENDING']);
    await refusesUntouched(ring, (deps) => moveKeys(deps, NEW), 'ROTATION_UNDER_WAY');
  });

  test('moves a ring of 17 keys', async () => {
    const ring = await ringWith(...Array.from({ length: 15 }, (_, index) => index + 1), previous(16), current(17));
    const { moved, left } = await move(ring, NEW);
    expect([moved.length, left]).toEqual([15, []]);
  });

  test('two at once move the ring once', async () => {
    const ring = await oldRing();
    const wanted = under(ring, OLD, NEW);
    await Promise.all([move(ring, NEW), move(ring, NEW)]);
    expect(ringOf(ring)).toEqual(wanted);
    expect((await runStatus(operatorOf(ring).deps)).notes).toEqual([]);
  });

  test('stops where another process sets the KMS key of the secret meanwhile', async () => {
    const ring = await oldRing();
    const wanted = ringOf(ring);
    let puts = 0;
    const run = move(ring, NEW, (secrets) => ({
      ...secrets,
      putSecretValue: async (input) => {
        puts += 1;
        if (puts === 1) await setKmsKey(ring, OLD);
        return secrets.putSecretValue(input);
      },
    }));
    await expect(run).rejects.toMatchObject({ code: 'STATE_CHANGED' });
    expect(ringOf(ring)).toMatchObject(wanted);
    await move(ring, NEW);
    expect(ringOf(ring)).toEqual(under(ring, OLD, NEW));
  });
});

describe('a retirement at the same moment', () => {
  /** Key 1 is retired right before its number would move. */
  async function retiredMeanwhile(): Promise<TestRing> {
    const ring = await oldRing();
    await setKmsKey(ring, NEW);
    await ring.service.advance(25 * HOUR);
    let puts = 0;
    await move(ring, NEW, (secrets) => ({
      ...secrets,
      putSecretValue: async (input) => {
        const answer = await secrets.putSecretValue(input);
        puts += 1;
        if (puts === 1) await runRetire(operatorOf(ring).deps, counting(), { numbers: numbers(1), force: true });
        return answer;
      },
    }));
    return ring;
  }

  test('stands: the number goes, the other keys move, and the version that was put needs no rescue', async () => {
    const ring = await retiredMeanwhile();
    expect(Object.keys(ringOf(ring))).toEqual(['key-v2', 'key-v3', 'key-v4']);
    expect((await runStatus(operatorOf(ring).deps)).notes.map(({ code }) => code)).toEqual(['restorable']);
    await runRestore(operatorOf(ring).deps, toKeyNumber(1));
    expect((await runStatus(operatorOf(ring).deps)).notes.map(({ code }) => code)).toEqual(['older-kms-key']);
    expect(await move(ring, NEW)).toMatchObject({ moved: [{ number: 1 }], left: [] });
  });

  test('that finds its number moved leaves it, and restore removes the record', async () => {
    const ring = await oldRing();
    await setKmsKey(ring, NEW);
    await ring.service.advance(25 * HOUR);
    const { deps } = operatorOf(ring, (secrets) => ({
      ...secrets,
      tagResource: async (input) => {
        const answer = await secrets.tagResource(input);
        await move(ring, NEW);
        return answer;
      },
    }));
    await expect(runRetire(deps, counting(), { numbers: numbers(1) })).rejects.toMatchObject({ code: 'NOT_SEEN_YET' });
    expect(Object.keys(ringOf(ring))).toContain('key-v1');
    expect((await runStatus(operatorOf(ring).deps)).notes.map(({ code }) => code)).toEqual(['retirement-unfinished']);
    await runRestore(operatorOf(ring).deps, toKeyNumber(1));
    expect((await runStatus(operatorOf(ring).deps)).notes).toEqual([]);
    expect(Object.keys(ringOf(ring))).toContain('key-v1');
  });
});

import { CreateSecretCommand } from '@aws-sdk/client-secrets-manager';
import { valueOfSecret } from '../../../src/cli/ring/supplied-key.ts';
import { runPut, runPutNotCurrent } from '../../../src/cli/commands/put.ts';
import { stopServices } from '../../local/support/running-service.ts';
import { current, holding, keyOf, previous, ringWith, type TestRing } from '../../support/ring.ts';
import { Rows } from '../../support/rows.ts';
import { giveCredentials, operatorOf, pazpazKeys, valueOf } from '../support/operator.ts';
import { refusesUntouched } from '../support/refusal.ts';

beforeAll(giveCredentials);
afterEach(stopServices);

const fill = async (ring: TestRing, labels: number): Promise<void> => {
  for (let label = 1; label <= labels; label += 1) await ring.label(`foreign-${label}`, 1);
};

describe('put', () => {
  test('makes the key current under the next number, after numbering the keys in use', async () => {
    const ring = await ringWith(previous(), current());
    const { deps } = operatorOf(ring);
    expect(await runPut(deps, valueOf(9))).toMatchObject({ number: 3, isCurrent: true, wasThere: false });
    expect(ring.labels).toEqual({ 1: 'key-v1', 2: 'AWSPREVIOUS key-v2', 3: 'AWSCURRENT key-v3' });
    expect(ring.valueOf(3)).toBe(keyOf(9).toString('base64'));
  });

  test('makes key 1 of a secret without a value', async () => {
    const ring = await ringWith();
    await runPut(operatorOf(ring).deps, valueOf(1));
    expect(ring.labels).toEqual({ 1: 'AWSCURRENT key-v1' });
  });

  test("mends the guide's issue 5: a current value that is no key", async () => {
    const ring = await ringWith(previous(1), holding(Buffer.alloc(24).toString('base64'), current()));
    await runPut(operatorOf(ring).deps, valueOf(9));
    expect(ring.labels).toEqual({ 1: 'key-v1', 2: 'AWSPREVIOUS', 3: 'AWSCURRENT key-v2' });
  });

  test('stores nothing twice: the current key is only numbered', async () => {
    const ring = await ringWith(previous(1), current());
    expect(await runPut(operatorOf(ring).deps, valueOf(2))).toMatchObject({ number: 2, wasThere: true });
    expect(ring.labels).toEqual({ 1: 'AWSPREVIOUS key-v1', 2: 'AWSCURRENT key-v2' });
    const once = ring.snapshot;
    await runPut(operatorOf(ring).deps, valueOf(2));
    expect(ring.snapshot).toBe(once);
  });

  test('puts the value of an older key as a new version with a new number', async () => {
    const ring = await ringWith(1, previous(2), current(3));
    await runPut(operatorOf(ring).deps, valueOf(1));
    expect(ring.labels).toEqual({ 1: 'key-v1', 2: 'key-v2', 3: 'AWSPREVIOUS key-v3', 4: 'AWSCURRENT key-v4' });
  });

  test('goes ahead over a placeholder, which is a refused rotation', async () => {
    const ring = await ringWith(current(1));
    await ring.begin();
    await runPut(operatorOf(ring).deps, valueOf(9));
    expect(ring.labels).toMatchObject({ 1: 'AWSPREVIOUS key-v1', 2: '', 3: 'AWSCURRENT key-v2' });
  });

  test('is the way out for a previous key that can never be read again', async () => {
    const ring = await ringWith(previous(1), current(2));
    ring.service.faults.set({
      operation: 'GetSecretValue',
      versionId: ring.idOf(1),
      kind: 'error',
      type: 'AccessDeniedException',
    });
    await runPut(operatorOf(ring).deps, valueOf(9));
    expect(ring.labels).toEqual({ 1: 'key-v1', 2: 'AWSPREVIOUS key-v2', 3: 'AWSCURRENT key-v3' });
  });

  test('never names a label in the put, so that it takes none from another version', async () => {
    const ring = await ringWith(current(1));
    const { deps, changes } = operatorOf(ring);
    await runPut(deps, valueOf(9));
    expect(changes[0]).toMatchObject({ change: 'value-stored', labels: ['AWSCURRENT'] });
  });
});

describe('put refuses, and the secret is exactly as it was', () => {
  test('while a rotation is under way', async () => {
    const ring = await ringWith(current(1));
    await ring.begin();
    await ring.step('createSecret');
    await refusesUntouched(
      ring,
      (deps) => runPut(deps, valueOf(9)),
      'ROTATION_UNDER_WAY',
      'rotate --wait',
      '--clean-up',
    );
    await refusesUntouched(ring, (deps) => runPutNotCurrent(deps, valueOf(9)), 'ROTATION_UNDER_WAY');
  });

  test('without a label for each number', async () => {
    const ring = await ringWith(previous(), current());
    await fill(ring, 15);
    await refusesUntouched(
      ring,
      (deps) => runPut(deps, valueOf(9)),
      'RING_FULL',
      '3 free staging labels needed, 2 free',
    );
  });

  test('over a key in use that has no number and cannot be read', async () => {
    const ring = await ringWith(current());
    ring.service.faults.set({ operation: 'GetSecretValue', kind: 'error', type: 'AccessDeniedException' });
    await refusesUntouched(ring, (deps) => runPut(deps, valueOf(9)), 'VERSION_UNREADABLE', ring.idOf(1));
  });
});

describe('put --not-current', () => {
  test('adds a key that reads: numbered, with no other label left', async () => {
    const ring = await ringWith(previous(1), current());
    const { deps, changes } = operatorOf(ring);
    expect(await runPutNotCurrent(deps, valueOf(9))).toMatchObject({ number: 3, isCurrent: false, wasThere: false });
    expect(ring.labels).toEqual({ 1: 'AWSPREVIOUS key-v1', 2: 'AWSCURRENT key-v2', 3: 'key-v3' });
    expect(changes.map((change) => ('label' in change ? `${change.change} ${change.label}` : change.change))).toEqual([
      'label-attached key-v2',
      'value-stored',
      'label-attached key-v3',
      'label-detached key-incoming',
    ]);
  });

  test.each([
    ['a key of the ring', 1],
    ['the current key', 2],
  ])('stores %s no second time', async (_, place) => {
    const ring = await ringWith(previous(1), current(2));
    const once = ring.snapshot;
    expect(await runPutNotCurrent(operatorOf(ring).deps, valueOf(place))).toMatchObject({
      number: place,
      wasThere: true,
    });
    expect(ring.snapshot).toBe(once);
  });

  test('finishes an unfinished one, whichever key comes next', async () => {
    const ring = await ringWith(current(1));
    await ring.put(keyOf(2).toString('base64'), undefined, ['key-incoming']);
    await runPutNotCurrent(operatorOf(ring).deps, valueOf(9));
    expect(ring.labels).toEqual({ 1: 'AWSCURRENT key-v1', 2: 'key-v2', 3: 'key-v3' });
  });

  test('takes the key out of another secret', async () => {
    const ring = await ringWith(current(1));
    const other = 'pazpaz/encryption-key-v2';
    await ring.client.send(new CreateSecretCommand({ Name: other, SecretString: keyOf(2).toString('base64') }));
    const { deps } = operatorOf(ring);
    await runPutNotCurrent(deps, await valueOfSecret(deps, other));
    expect(ring.valueOf(2)).toBe(keyOf(2).toString('base64'));
    await expect(valueOfSecret(deps, 'pazpaz/none')).rejects.toMatchObject({ code: 'SECRET_NOT_FOUND' });
  });

  test.each([
    ['AccessDeniedException', 'Give the caller access to it and to its KMS key'],
    ['ThrottlingException', 'There were too many calls at once in this account'],
  ])('says what helps where another secret cannot be read: %s', async (type, advice) => {
    const ring = await ringWith(current(1));
    ring.service.faults.set({ operation: 'GetSecretValue', kind: 'error', type, message: 'no.' });
    await expect(valueOfSecret(operatorOf(ring).deps, 'other')).rejects.toMatchObject({
      code: 'VERSION_UNREADABLE',
      message: expect.stringContaining(`Secret 'other' cannot be read: ${type}: no. ${advice}`) as string,
    });
  });

  test('needs two free labels, and refuses without them before it writes', async () => {
    const ring = await ringWith(previous(1), current(2));
    await fill(ring, 14);
    await refusesUntouched(
      ring,
      (deps) => runPutNotCurrent(deps, valueOf(9)),
      'RING_FULL',
      '2 free staging labels needed, 1 free',
    );
  });

  test('refuses on a secret without a value, where it would become current', async () => {
    const ring = await ringWith();
    await refusesUntouched(ring, (deps) => runPutNotCurrent(deps, valueOf(9)), 'NO_CURRENT_KEY', 'rotate --wait');
  });
});

test('a put that AWS stops half-way shows what it stored, and leads to status', async () => {
  const ring = await ringWith(previous(1), current(2));
  const operation = 'UpdateSecretVersionStage';
  ring.service.faults.set({ kind: 'error', operation, type: 'AccessDeniedException', message: 'no' });
  const { stderr, exitCode } = await pazpazKeys(ring, ['put', '--generate', '--yes']);
  expect(exitCode).toBe(1);
  expect(stderr).toContain('stored a value as version');
  expect(stderr).toContain('status says what is unfinished');
  expect(stderr.trimEnd().split('\n').at(-1)).toMatch(/^ {2}pazpaz-keys status\b/);
});

test('a put over a value that is no key warns of it once, and adopt does not end with 0 over it', async () => {
  const ring = await ringWith(previous(1), holding('hello', current()));
  const adopted = await pazpazKeys(ring, ['adopt']);
  expect(adopted.exitCode).toBe(1);
  const { stderr, exitCode } = await pazpazKeys(ring, ['put', '--generate', '--yes']);
  expect(exitCode).toBe(0);
  expect(stderr.match(/^warning: /gm)).toHaveLength(1);
});

test('C02: values that were put by hand are all on the ring after adoption, and each row decrypts', async () => {
  const ring = await ringWith(current(1));
  const rows = new Rows(ring);
  await rows.write();
  for (const place of [21, 22]) {
    await ring.put(keyOf(place).toString('base64'));
    await rows.write();
  }
  const { deps } = operatorOf(ring);
  const { runAdopt } = await import('../../../src/cli/commands/adopt.ts');
  await runAdopt(deps, {});
  await ring.put(keyOf(23).toString('base64'));
  await rows.write();
  await runAdopt(deps, {});
  expect(ring.labels).toEqual({ 1: 'key-v1', 2: 'key-v2', 3: 'AWSPREVIOUS key-v3', 4: 'AWSCURRENT key-v4' });
  expect(await rows.unreadable()).toEqual([]);
});

import { UntagResourceCommand } from '@aws-sdk/client-secrets-manager';
import { moveKeys } from '../../../src/cli/move/move-keys.ts';
import { runRetire } from '../../../src/cli/commands/retire.ts';
import { runStatus } from '../../../src/cli/commands/status.ts';
import { notesOn, recommended } from '../../../src/cli/status/notes.ts';
import { stopServices } from '../../local/support/running-service.ts';
import { HOUR, token } from '../../local/support/state-machine.ts';
import { current, holding, keyOf, previous, ringWith, SECRET, type TestRing } from '../../support/ring.ts';
import { counting, giveCredentials, numbers, operatorOf, pazpazKeys, spell } from '../support/operator.ts';

const NEW = 'arn:aws:kms:us-east-1:123456789012:key/new';

beforeAll(giveCredentials);
afterEach(stopServices);

const codes = async (ring: TestRing) => (await runStatus(operatorOf(ring).deps)).notes.map(({ code }) => code);

/** Runs what `status` names first, as often as it names something, and resolves to the names of the commands. */
async function followed(ring: TestRing): Promise<readonly string[]> {
  const done: string[] = [];
  for (;;) {
    const first = recommended((await runStatus(operatorOf(ring).deps)).notes);
    if (first === undefined || done.length > 5) return done;
    const args = spell(first).split(' ').slice(1);
    done.push(args.join(' '));
    const yes = args[0] === 'adopt' ? [] : ['--yes'];
    const { exitCode, stderr } = await pazpazKeys(ring, [...args, ...yes], { stdin: keyOf(70).toString('base64') });
    if (exitCode !== 0) throw new Error(`${args.join(' ')}: ${stderr}`);
  }
}

test('a current version that holds no key: rollback where a key was current before, else put', async () => {
  const ring = await ringWith(1, previous(2), holding('not a key', { label: 'AWSCURRENT' }));
  await ring.enableRotation();
  expect(await followed(ring)).toEqual(['rollback']);
  const alone = await ringWith(holding('no', { label: 'AWSPREVIOUS' }), holding('not a key', { label: 'AWSCURRENT' }));
  await alone.enableRotation();
  expect((await pazpazKeys(alone, ['status'])).stdout).toContain('holds no key');
  expect(await followed(alone)).toEqual(['put']);
});

test('a placeholder beside it ends first', async () => {
  const ring = await ringWith(previous(1), holding('not a key', { label: 'AWSCURRENT' }));
  await ring.enableRotation();
  await ring.begin();
  expect((await followed(ring))[0]).toBe('rotate --clean-up');
});

test.each(['no key', 'a copy'])(
  'AWSPENDING on a version that is never promoted ends by one command: %s',
  async (what) => {
    const ring = await ringWith(1, previous(2), current(3));
    await ring.enableRotation();
    if (what === 'no key') await ring.put('not a key', token(9), ['AWSPENDING']);
    else {
      await moveKeys(operatorOf(ring).deps, NEW);
      await ring.label('AWSPENDING', 1);
    }
    expect(await followed(ring)).toEqual(['rotate --clean-up']);
  },
);

test('adopt frees the label of an incoming key that has its number, where another key needs its place', async () => {
  const ring = await ringWith(...Array.from({ length: 15 }, (_, index) => index + 1), previous(16), current(17));
  await ring.enableRotation();
  await runRetire(operatorOf(ring).deps, counting(), { numbers: numbers(3), force: true });
  await ring.label('key-incoming', 5);
  await ring.put(keyOf(78).toString('base64'));
  expect(await codes(ring)).toContain('key-arriving');
  expect((await pazpazKeys(ring, ['adopt'])).exitCode).toBe(0);
  expect((await runStatus(operatorOf(ring).deps)).currentNumber).toBe(18);
});

test('a number that people have put on another key than the retired one is said, with the way out', async () => {
  const ring = await ringWith(1, 2, previous(3), current(4));
  await ring.enableRotation();
  await ring.service.advance(25 * HOUR);
  await runRetire(operatorOf(ring).deps, counting(), { numbers: numbers(1) });
  await ring.label('key-v1', 2);
  expect(await codes(ring)).toContain('number-on-another-key');
  const doctor = await pazpazKeys(ring, ['doctor']);
  expect(doctor.stdout).toContain(
    'untag-resource --secret-id pazpaz/encryption-key-v1 --tag-keys pazpaz:retired:key-v1',
  );
  await ring.client.send(new UntagResourceCommand({ SecretId: SECRET, TagKeys: ['pazpaz:retired:key-v1'] }));
  expect(await followed(ring)).toEqual([`adopt --version-id ${ring.idOf(1)}`]);
  expect(ring.labels).toMatchObject({ 1: 'key-v5', 2: 'key-v1 key-v2' });
});

test('a number is put back only where the other key keeps another label', async () => {
  const ring = await ringWith(1, 2, 3, previous(4), current(5));
  await ring.enableRotation();
  await runRetire(operatorOf(ring).deps, counting(), { numbers: numbers(1), force: true });
  await ring.label('key-v1', 2);
  const next = async () =>
    (await runStatus(operatorOf(ring).deps)).notes.find(({ code }) => code === 'number-on-another-key')?.next;
  expect(await next()).toHaveLength(2);
  await ring.detach('key-v2');
  expect(await next()).toEqual([expect.stringContaining('untag-resource')]);
});

describe('on a full ring whose keys in use have no number', () => {
  const older = Array.from({ length: 17 }, (_, index) => index + 1);

  test('adopt gives the current one a number, and says that the other waits', async () => {
    const ring = await ringWith(...older, previous(), current());
    await ring.enableRotation();
    const { exitCode, stdout } = await pazpazKeys(ring, ['adopt']);
    expect(exitCode).toBe(1);
    expect(stdout).toContain(`Version ${ring.idOf(18)} has no number yet: no label is free.`);
    expect(ring.labels).toMatchObject({ 18: 'AWSPREVIOUS', 19: 'AWSCURRENT key-v18' });
    await expect(ring.rotate()).rejects.toThrow("can't attach more than 20");
    const { exitCode: again, stderr } = await pazpazKeys(ring, ['adopt']);
    expect(again).toBe(1);
    expect(stderr).toContain('RING_FULL');
    await ring.service.advance(25 * HOUR);
    await runRetire(operatorOf(ring).deps, counting(), { numbers: numbers(1, 2, 3, 4, 5, 6) });
    expect((await pazpazKeys(ring, ['adopt'])).exitCode).toBe(0);
    expect(await followed(ring)).toEqual([]);
    expect(ring.labels).toMatchObject({ 18: 'AWSPREVIOUS key-v19', 19: 'AWSCURRENT key-v18' });
  });

  test('whose place for AWSPENDING has a key, rollback makes a numbered key current', async () => {
    const ring = await ringWith(...older, previous(18), current());
    const { notes } = await runStatus(operatorOf(ring).deps);
    expect(recommended(notes)).toMatchObject({ command: 'rollback' });
    expect((await pazpazKeys(ring, ['rollback', '--yes'])).exitCode).toBe(0);
    expect(ring.labels).toMatchObject({ 18: 'AWSCURRENT key-v18', 19: 'AWSPREVIOUS' });
  });
});

test('move is named with a KMS key that it takes, where the secret names an alias', async () => {
  const ring = await ringWith(1, previous(2), current(3));
  await ring.enableRotation();
  await ring.label('key-moving', 2);
  const report = await runStatus(operatorOf(ring).deps);
  const under = (kmsKeyId: string) => {
    const versions = report.versions.map((version) => ({ ...version, kmsKeyIds: [kmsKeyId] }));
    const first = recommended(notesOn({ ...report, kmsKeyId: 'alias/mine', versions }));
    return first === undefined ? '' : spell(first);
  };
  expect(under(NEW)).toBe(`pazpaz-keys move --kms-key-id ${NEW}`);
  expect(under('alias/mine')).toBe('aws kms describe-key --key-id alias/mine --query KeyMetadata.Arn');
});

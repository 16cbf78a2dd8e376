import { randomUUID } from 'node:crypto';
import { encryptField } from '../../src/format/field.ts';
import { toKeyNumber } from '../../src/format/key-number.ts';
import type { KeyRing } from '../../src/keyring/key-ring.ts';
import { errorOf } from '../format/support/error-of.ts';
import { OLD_FORMS } from '../format/support/old-application.ts';
import { rejectionOf } from './support/rejection-of.ts';
import { closeRings, RingWorld } from './support/ring-world.ts';

afterEach(closeRings);

const MINUTE = 60_000;

/** A ring of three keys, all of them read. */
async function warmRing(): Promise<{ world: RingWorld; ring: KeyRing }> {
  const world = await RingWorld.withKeys(3);
  const ring = await world.open();
  for (const number of [1, 2, 3]) expect(await ring.decryptField(rowUnder(world, number), 'a')).toBe('note');
  return { world, ring };
}

function rowUnder(world: RingWorld, number: number): Buffer {
  return encryptField('note', world.material(number), 'a', { number: toKeyNumber(number) });
}

async function codeOf(promise: Promise<unknown>): Promise<string> {
  return (await rejectionOf(promise)).code;
}

test('a key that was retired is forgotten at the next refresh, in every way that a row is opened', async () => {
  const { world, ring } = await warmRing();
  await world.retire(1);
  await world.clock.advance(5 * MINUTE);
  const forged = rowUnder(world, 1);
  expect(await codeOf(ring.decryptField(forged, 'a'))).toBe('KEY_RETIRED');
  expect(errorOf(() => ring.decryptFieldSync(forged, 'a')).code).toBe('KEY_RETIRED');
  const unnumbered = encryptField('note', world.material(1), 'a');
  expect(await codeOf(ring.decryptField(unnumbered, 'a'))).toBe('TAMPERED_OR_WRONG_CONTEXT');
  for (const form of Object.values(OLD_FORMS)) {
    await rejectionOf(ring.decryptField(form('note', { key: world.keyOf(1) }), 'a'));
  }
  expect(await ring.decryptField(rowUnder(world, 2), 'a')).toBe('note');
  expect(world.events('ring_key_forgotten')).toEqual([
    expect.objectContaining({ level: 'INFO', key_number: 1, version_id: world.versionIds.get(1) }),
  ]);
});

test('`refresh` forgets it at once', async () => {
  const { world, ring } = await warmRing();
  await world.retire(1);
  await ring.refresh();
  expect(await codeOf(ring.decryptField(rowUnder(world, 1), 'a'))).toBe('KEY_RETIRED');
});

test('a key whose label is merely gone is kept, and one warning says so until the label is back', async () => {
  const { world, ring } = await warmRing();
  await world.unlabel('key-v1', 1);
  await world.clock.advance(20 * MINUTE);
  expect(await ring.decryptField(rowUnder(world, 1), 'a')).toBe('note');
  const warning = { level: 'WARNING', key_number: 1, version_id: world.versionIds.get(1) };
  expect(world.events('ring_key_lost_label')).toEqual([expect.objectContaining(warning)]);
  await world.label('key-v1', 1);
  await world.clock.advance(5 * MINUTE);
  await world.unlabel('key-v1', 1);
  await world.clock.advance(5 * MINUTE);
  expect(world.events('ring_key_lost_label')).toHaveLength(2);
  expect(world.events('ring_key_forgotten')).toEqual([]);
});

test('the record of a retirement that has not taken the label yet changes nothing', async () => {
  const { world, ring } = await warmRing();
  await world.recordRetirement(1);
  await world.clock.advance(5 * MINUTE);
  world.forgetCalls();
  expect(await ring.decryptField(rowUnder(world, 1), 'a')).toBe('note');
  expect(world.calls).toEqual({ describe: 0, read: 0 });
  expect(world.events('ring_key_forgotten')).toEqual([]);
  expect(world.events('ring_key_lost_label')).toEqual([]);
});

test('a record that names another version is no reason to forget', async () => {
  const { world, ring } = await warmRing();
  await world.unlabel('key-v1', 1);
  await world.call('TagResource', {
    Tags: [{ Key: 'pazpaz:retired:key-v1', Value: `${world.versionIds.get(2)} 2026-01-01T00:00:00.000Z` }],
  });
  await ring.refresh();
  expect(await ring.decryptField(rowUnder(world, 1), 'a')).toBe('note');
  expect(await ring.decryptField(rowUnder(world, 2), 'a')).toBe('note');
  expect(world.events('ring_key_lost_label')).toHaveLength(1);
});

test.each(['AWSCURRENT', 'AWSPREVIOUS'])('a key that has %s is never forgotten, whatever tags say', async (label) => {
  const { world, ring } = await warmRing();
  const number = label === 'AWSCURRENT' ? 3 : 2;
  await world.retire(number);
  await ring.refresh();
  expect(await ring.decryptField(rowUnder(world, number), 'a')).toBe('note');
});

test('a key that was restored is read again', async () => {
  const { world, ring } = await warmRing();
  await world.retire(1);
  await ring.refresh();
  await world.label('key-v1', 1);
  await ring.refresh();
  expect(await ring.decryptField(rowUnder(world, 1), 'a')).toBe('note');
});

test('a key that is read while its retirement becomes known is not kept', async () => {
  const world = await RingWorld.withKeys(3);
  const source = world.source();
  let answer = (): void => undefined;
  const ring = await world.open({
    source: {
      ...source,
      read: async (versionId, signal) => {
        const version = await source.read(versionId, signal);
        if (versionId === world.versionIds.get(1)) await new Promise<void>((resolve) => (answer = resolve));
        return version;
      },
    },
  });
  const reading = ring.decryptField(rowUnder(world, 1), 'a').catch(() => undefined);
  await world.clock.advance(10);
  await world.retire(1);
  await ring.refresh();
  answer();
  await reading;
  expect(await codeOf(ring.decryptField(rowUnder(world, 1), 'a'))).toBe('KEY_RETIRED');
});

test('a retired key that the environment holds reads as long as it is set there', async () => {
  const world = await RingWorld.withKeys(3);
  const ring = await world.open({}, { environmentKey: world.material(1) });
  await ring.decryptField(rowUnder(world, 1), 'a');
  await world.retire(1);
  await ring.refresh();
  expect(await ring.decryptField(encryptField('note', world.material(1), 'a'), 'a')).toBe('note');
});

test.each([
  ['names', (versionId: string) => ({ Key: `pazpaz:copy:${versionId}`, Value: 'moved' })],
  ['lists', (versionId: string) => ({ Key: `pazpaz:copy:${randomUUID()}`, Value: `2026-11-30 ${versionId}` })],
])('a key whose number has moved to a copy opens its rows, and nothing warns: the tag %s it', async (_, tag) => {
  const { world, ring } = await warmRing();
  const versionId = world.versionIds.get(1) ?? '';
  await world.call('TagResource', { Tags: [tag(versionId)] });
  await world.unlabel('key-v1', 1);
  await world.clock.advance(20 * MINUTE);
  expect(await ring.decryptField(rowUnder(world, 1), 'a')).toBe('note');
  expect(world.events('ring_key_lost_label')).toEqual([]);
});

test('a key that was moved and then retired is forgotten under its former version, too', async () => {
  const { world, ring } = await warmRing();
  const [former, copy] = [world.versionIds.get(1) ?? '', randomUUID()];
  const SecretString = world.keyOf(1).toString('base64');
  await world.call('PutSecretValue', { ClientRequestToken: copy, SecretString, VersionStages: ['key-moving'] });
  const move = { VersionStage: 'key-v1', MoveToVersionId: copy, RemoveFromVersionId: former };
  await world.call('UpdateSecretVersionStage', move);
  await world.call('TagResource', { Tags: [{ Key: `pazpaz:copy:${former}`, Value: 'moved' }] });
  await ring.refresh();
  expect(await ring.decryptField(rowUnder(world, 1), 'a')).toBe('note');

  world.versionIds.set(1, copy);
  await world.retire(1);
  await ring.refresh();
  expect(await codeOf(ring.decryptField(rowUnder(world, 1), 'a'))).toBe('KEY_RETIRED');
  expect(await ring.decryptField(rowUnder(world, 2), 'a')).toBe('note');
});

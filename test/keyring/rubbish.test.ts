import { randomBytes } from 'node:crypto';
import type { ApplicationLogEntry } from '../../src/keyring/application-log.ts';
import { encryptField } from '../../src/format/field.ts';
import { KeyMaterial } from '../../src/format/key-material.ts';
import { toKeyNumber } from '../../src/format/key-number.ts';
import { errorOf } from '../format/support/error-of.ts';
import { everythingPrinted, spellingsOf } from '../format/support/secret-spellings.ts';
import { clientOf, stopServices } from '../local/support/running-service.ts';
import { rejectionOf } from './support/rejection-of.ts';
import { closeRings, RingWorld } from './support/ring-world.ts';
import { closeServersInFront, serverInFrontOf } from './support/server-in-front.ts';
import { closeRingsOverHttp, KEYS, open, rowUnder, serviceWithKeys } from './support/service-with-keys.ts';

afterEach(async () => {
  closeRings();
  closeRingsOverHttp();
  closeServersInFront();
  await stopServices();
});

const KEY = KEYS[0] ?? Buffer.alloc(0);
const KEY_TEXT = KEY.toString('base64');

const RUBBISH: readonly (readonly [string, number, string])[] = [
  ['no JSON, with a key in it', 200, `{"SecretString":"${KEY_TEXT}","VersionIdsToStages":`],
  ['a bare key', 200, KEY_TEXT],
  ['HTML', 200, `<html>${KEY_TEXT}</html>`],
  ['HTML with status 502', 502, `<html>${KEY_TEXT}</html>`],
  ['an error that quotes a key and is no JSON', 400, `{"__type": "${KEY_TEXT}`],
  ['nothing', 200, ''],
  ['null', 200, 'null'],
  ['an empty object', 200, '{}'],
  ['a list', 200, '[]'],
  ['labels that are no list', 200, '{"VersionIdsToStages":{"a":null,"b":7}}'],
  ['labels of no one', 200, '{"VersionIdsToStages":{"a":["key-v9"]}}'],
  ['a key that is a number', 200, '{"SecretString":7,"VersionIdsToStages":[]}'],
  ['an endless wait', 0, ''],
];

describe.each(RUBBISH)('a service that answers rubbish: %s', (_what, status, body) => {
  test('opens no ring within the time limit, or one with the key of the environment, and nothing of the answer is shown', async () => {
    const client = clientOf(await serverInFrontOf('', () => ({ status, body })));
    const log: ApplicationLogEntry[] = [];
    const options = { callTimeLimit: 300, logger: (entry: ApplicationLogEntry) => log.push(entry) };
    const error = await rejectionOf(open(client, options));
    await open(client, options, KeyMaterial.fromBytes(randomBytes(32)));
    client.destroy();
    expect(error.cause).toBeUndefined();
    const printed = everythingPrinted(error) + JSON.stringify(log);
    for (const spelling of spellingsOf(KEY)) expect(printed).not.toContain(spelling);
    expect(log.map(({ event }) => event)).toEqual(['aws_unavailable_using_env_fallback']);
  });

  test('lets requests of an open ring go on: what is not cached is unavailable, no more', async () => {
    const { url } = await serviceWithKeys(3);
    let isBroken = false;
    const client = clientOf(await serverInFrontOf(url, () => (isBroken ? { status, body } : undefined)));
    const { ring, log } = await open(client, { callTimeLimit: 2000 });
    const row = ring.encryptField('note', 'a');
    isBroken = true;
    const errors = [await rejectionOf(ring.refresh())];
    expect(ring.encryptField('note', 'a')[0]).toBe(3);
    expect(await ring.decryptField(row, 'a')).toBe('note');
    for (const bytes of [rowUnder(1), rowUnder(99)]) {
      const error = await rejectionOf(ring.decryptField(bytes, 'a'));
      expect(error.code).toBe('KEY_UNAVAILABLE');
      errors.push(error);
    }
    const printed = errors.map(everythingPrinted).join() + JSON.stringify(log);
    for (const spelling of spellingsOf(KEY)) expect(printed).not.toContain(spelling);
    isBroken = false;
    // The first may join a refresh that was under way.
    await ring.refresh().catch(() => ring.refresh());
    client.destroy();
  });
});

test('an answer without a value is asked for again soon, since it says nothing of the key', async () => {
  const world = await RingWorld.withKeys(2);
  const source = world.source();
  let isBroken = true;
  const ring = await world.open({
    source: {
      ...source,
      read: (versionId, signal) =>
        isBroken && versionId === world.versionIds.get(1) ? Promise.resolve({}) : source.read(versionId, signal),
    },
  });
  const row = encryptField('note', world.material(1), 'a', { number: toKeyNumber(1) });
  expect((await rejectionOf(ring.decryptField(row, 'a'))).code).toBe('KEY_UNAVAILABLE');
  isBroken = false;
  await world.clock.advance(5000);
  expect(await ring.decryptField(row, 'a')).toBe('note');
});

test('an answer that names no current key, where one was named before, takes no number off the ring', async () => {
  const world = await RingWorld.withKeys(3);
  const source = world.source();
  let isBroken = false;
  const ring = await world.open({
    source: {
      ...source,
      describe: (signal) =>
        isBroken
          ? Promise.resolve({ ARN: 'arn:aws:secretsmanager:us-east-1:123456789012:secret:x' })
          : source.describe(signal),
    },
  });
  isBroken = true;
  expect((await rejectionOf(ring.refresh())).message).toContain('not trusted');
  const row = encryptField('note', world.material(1), 'a', { number: toKeyNumber(1) });
  expect(await ring.decryptField(row, 'a')).toBe('note');
  expect(ring.encryptField('note', 'a')[0]).toBe(3);
  await world.clock.advance(25 * 3_600_000);
  expect(errorOf(() => ring.encryptField('note', 'a')).code).toBe('KEY_TOO_OLD');
});

test('an answer with neither ARN nor versions is none of Secrets Manager: a ring that has fallen back takes no number for never issued', async () => {
  const world = await RingWorld.withKeys(1);
  const source = { ...world.source(), describe: () => Promise.resolve({}) };
  expect((await rejectionOf(world.open({ source }))).code).toBe('CANNOT_REACH_AWS');
  const ring = await world.open({ source }, { environmentKey: KeyMaterial.fromBytes(randomBytes(32)) });
  const row = encryptField('note', world.material(1), 'a', { number: toKeyNumber(1) });
  expect((await rejectionOf(ring.decryptField(row, 'a'))).code).toBe('KEY_UNAVAILABLE');
});

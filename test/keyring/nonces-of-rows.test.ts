import { encryptField, KeyMaterial } from '../../src/index.ts';
import { nonceStream } from '../../src/format/nonce.ts';
import { closeRings, RingWorld } from './support/ring-world.ts';

afterEach(closeRings);

const ROWS = 10_000;

/** The nonce that a row carries after a number of one byte. */
function nonceOf(row: Uint8Array): string {
  return Buffer.from(row.subarray(1, 13)).toString('hex');
}

/** The nonces of so many rows. */
function noncesOf(encrypt: () => Uint8Array): string[] {
  return Array.from({ length: ROWS }, () => nonceOf(encrypt()));
}

test('ten thousand rows of one ring carry as many nonces', async () => {
  const world = await RingWorld.withKeys(1);
  const ring = await world.open();
  expect(new Set(noncesOf(() => ring.encryptField('note'))).size).toBe(ROWS);
});

test('two rings of one process share no nonce, though their clocks read the same', async () => {
  const world = await RingWorld.withKeys(1);
  const [one, other] = [await world.open(), await world.open()];
  const nonces = Array.from({ length: ROWS }, () => [one, other].map((ring) => nonceOf(ring.encryptField('note'))));
  expect(new Set(nonces.flat()).size).toBe(2 * ROWS);
});

test('ten thousand rows of the function with a cached key carry as many nonces', () => {
  const key = KeyMaterial.fromBytes(new Uint8Array(32));
  expect(new Set(noncesOf(() => encryptField('note', key))).size).toBe(ROWS);
});

test('the nonce of a row is 12 bytes of the pool XORed with the reading of the ring’s own clocks', async () => {
  const world = await RingWorld.withKeys(1);
  const clocksOfOthers = () => {
    throw new Error('The ring has clocks of its own.');
  };
  const zeroes = (bytes: Uint8Array) => bytes.fill(0);
  const ring = await world.open({
    nonces: nonceStream(zeroes, { wall: clocksOfOthers, monotonic: clocksOfOthers }),
  });
  for (let minute = 0; minute < 3; minute += 1) {
    await world.clock.advance(60_000.25);
    const wall = Buffer.alloc(8);
    wall.writeBigUInt64LE(BigInt(Math.floor(world.clock.wall())));
    const nanoseconds = Buffer.alloc(8);
    nanoseconds.writeBigUInt64LE(BigInt(world.clock.monotonic() * 1e6));
    const expected = Buffer.concat([wall.subarray(0, 6), nanoseconds.subarray(0, 6)]);
    expect(nonceOf(ring.encryptField('note'))).toBe(expected.toString('hex'));
  }
});

test('the bytes of the pool are in the nonces of the rows, each once', async () => {
  const world = await RingWorld.withKeys(1);
  let filled = Buffer.alloc(0);
  const pool = (bytes: Uint8Array) => {
    for (let index = 0; index < bytes.length; index += 1) bytes[index] = (filled.length + index) % 251;
    filled = Buffer.concat([filled, bytes]);
  };
  const ring = await world.open({ nonces: nonceStream(pool) });
  const first = Buffer.from(ring.encryptField('note').subarray(1, 13));
  const second = Buffer.from(ring.encryptField('note').subarray(1, 13));
  // The clock stands still, so what differs between two nonces is what differs between two places of the pool.
  const xor = (one: Buffer, other: Buffer) => one.map((byte, index) => byte ^ (other[index] ?? 0));
  expect([...xor(first, second)]).toEqual([...xor(filled.subarray(0, 12), filled.subarray(12, 24))]);
});

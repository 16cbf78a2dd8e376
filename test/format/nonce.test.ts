import { execFile } from 'node:child_process';
import crypto from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { performance } from 'node:perf_hooks';
import { promisify } from 'node:util';
import { jest } from '@jest/globals';
import { build } from 'esbuild';
import { nonceStream, randomNonce } from '../../src/format/nonce.ts';

const run = promisify(execFile);

const STOPPED = { wall: () => 0, monotonic: () => 0 };

function hex(nonce: Uint8Array): string {
  return Buffer.from(nonce).toString('hex');
}

/** A filler that gives 0, 1, 2, … in two bytes each, so that a byte handed out twice would be seen. */
function counting(): (bytes: Uint8Array) => void {
  let count = 0;
  return (bytes) => {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    for (let offset = 0; offset < bytes.length; offset += 2) view.setUint16(offset, count++);
  };
}

test('each byte of the pool is handed out once, in order, over several fillings', () => {
  const next = nonceStream(counting(), STOPPED);
  for (let count = 0; count < 1000; count += 1) {
    const numbers = Array.from({ length: 6 }, (_, index) => count * 6 + index);
    const expected = Buffer.concat(numbers.map((number) => Buffer.of(number >> 8, number & 0xff)));
    expect(hex(next())).toBe(hex(expected));
  }
});

test('a byte that was handed out is wiped', () => {
  let pool: Uint8Array = new Uint8Array();
  const next = nonceStream((bytes) => {
    pool = bytes;
    bytes.fill(0xaa);
  }, STOPPED);
  next();
  next();
  expect(hex(pool.subarray(0, 24))).toBe('00'.repeat(24));
  expect(pool.subarray(24).every((byte) => byte === 0xaa)).toBe(true);
});

test('each nonce is the random bytes XORed with milliseconds of the wall clock and nanoseconds of the monotonic one', () => {
  const clocks = { wall: () => 0x0102_0304_0506, monotonic: () => 0x0a0b_0c0d_0e0f / 1e6 };
  const plain = nonceStream((bytes) => bytes.fill(0), clocks);
  expect(hex(plain())).toBe('0605040302010f0e0d0c0b0a');
  const masked = nonceStream((bytes) => bytes.fill(0xff), clocks);
  expect(hex(masked())).toBe('f9fafbfcfdfef0f1f2f3f4f5');
});

test('a random generator that fails gives no nonce, and the next call tries again', () => {
  let isBroken = true;
  const next = nonceStream((bytes) => {
    bytes.fill(1);
    if (isBroken) throw new Error('no entropy');
  }, STOPPED);
  expect(() => next()).toThrow('no entropy');
  isBroken = false;
  expect(hex(next())).toBe('01'.repeat(12));
});

describe('a pool that was filled', () => {
  test.each([
    ['the wall clock runs on', { wall: 1001, monotonic: 0 }],
    ['the wall clock is set back', { wall: -1001, monotonic: 0 }],
    ['the monotonic clock runs on', { wall: 0, monotonic: 1001 }],
    ['the monotonic clock starts again', { wall: 0, monotonic: -1001 }],
  ])('is filled again after more than a second: %s', (_what, step) => {
    const now = { wall: 1_790_000_000_000, monotonic: 70_000 };
    let fillings = 0;
    const next = nonceStream(() => (fillings += 1), { wall: () => now.wall, monotonic: () => now.monotonic });
    next();
    now.wall += Math.sign(step.wall) * 1000;
    now.monotonic += Math.sign(step.monotonic) * 1000;
    next();
    expect(fillings).toBe(1);
    now.wall += Math.sign(step.wall);
    now.monotonic += Math.sign(step.monotonic);
    next();
    expect(fillings).toBe(2);
  });

  test('is not used any further when it is old and the random generator fails', () => {
    let wall = 1_790_000_000_000;
    let isBroken = false;
    const next = nonceStream(
      (bytes) => {
        if (isBroken) throw new Error('no entropy');
        bytes.fill(1);
      },
      { wall: () => wall, monotonic: () => 0 },
    );
    next();
    isBroken = true;
    wall += 1001;
    expect(() => next()).toThrow('no entropy');
    expect(() => next()).toThrow('no entropy');
  });
});

describe('two generators restored from one copied state', () => {
  /** Both have one sequence of random bytes, as two machines that were restored from one snapshot. */
  function twins(clocksOfOne: typeof STOPPED, clocksOfOther: typeof STOPPED) {
    return [nonceStream(counting(), clocksOfOne), nonceStream(counting(), clocksOfOther)] as const;
  }

  function count(from: number): () => number {
    let reading = from;
    return () => (reading += 1);
  }

  test.each([
    ['a millisecond of the wall clock', { wall: () => 1, monotonic: () => 5 }, { wall: () => 2, monotonic: () => 5 }],
    [
      'a nanosecond of the monotonic clock',
      { wall: () => 1, monotonic: () => 5 },
      { wall: () => 1, monotonic: () => 5.000001 },
    ],
  ])('never give the same nonce while their clocks differ by %s', (_what, one, other) => {
    const [first, second] = twins(one, other);
    const given = new Set<string>();
    for (let index = 0; index < 1000; index += 1) given.add(hex(first())).add(hex(second()));
    expect(given.size).toBe(2000);
  });

  test('never give the same nonce on machines whose clocks run on', () => {
    const [first, second] = twins(
      { wall: count(1_790_000_000_000), monotonic: count(70_000) },
      { wall: count(1_790_000_000_500), monotonic: count(70_000) },
    );
    const given = new Set<string>();
    for (let index = 0; index < 1000; index += 1) given.add(hex(first())).add(hex(second()));
    expect(given.size).toBe(2000);
  });

  test('give the same nonce where they read the very same instant: what remains, as the docs say', () => {
    const [first, second] = twins(STOPPED, STOPPED);
    expect(hex(first())).toBe(hex(second()));
  });
});

test('a nonce has 12 bytes, is new each time, and does not change when the next one is made', () => {
  const nonces = Array.from({ length: 1000 }, () => randomNonce());
  expect(new Set(nonces.map((nonce) => nonce.length))).toEqual(new Set([12]));
  expect(new Set(nonces.map((nonce) => Buffer.from(nonce).toString('hex'))).size).toBe(1000);
});

test('a nonce mixes in the clocks of the machine where no others are given', () => {
  const wall = Date.now();
  const monotonic = performance.now();
  const nonce = Buffer.from(nonceStream((bytes) => bytes.fill(0))());
  // Least significant first: milliseconds in the first six bytes, nanoseconds in the others.
  expect(Math.abs(nonce.readUIntLE(0, 6) - wall)).toBeLessThan(10_000);
  expect(Math.abs(nonce.readUIntLE(6, 6) / 1e6 - monotonic)).toBeLessThan(10_000);
});

test('a nonce takes the readings of a caller in place of its own', () => {
  const next = nonceStream((bytes) => bytes.fill(0), STOPPED);
  expect(hex(next(0x0102, 0x0304 / 1e6))).toBe('020100000000040300000000');
});

test('one filling of the pool serves 256 nonces', () => {
  let fillings = 0;
  const next = nonceStream(() => (fillings += 1), STOPPED);
  for (let count = 0; count < 256; count += 1) next();
  expect(fillings).toBe(1);
  next();
  expect(fillings).toBe(2);
});

describe('a startup snapshot of Node', () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'snapshot-'));
  });
  afterAll(() => {
    rmSync(folder, { recursive: true });
  });

  /** What a process says that starts from a snapshot, which was made after this program had run. */
  async function fromSnapshot(program: string): Promise<string> {
    const entry = join(folder, 'entry.ts');
    writeFileSync(
      entry,
      `import { nonceStream, pooledNonce } from ${JSON.stringify(resolve('src/format/nonce.ts'))};\n${program}`,
    );
    const [outfile, blob] = [join(folder, 'entry.cjs'), join(folder, 'snapshot.blob')];
    await build({ entryPoints: [entry], outfile, bundle: true, platform: 'node', format: 'cjs', logLevel: 'silent' });
    await run(process.execPath, ['--snapshot-blob', blob, '--build-snapshot', outfile]);
    const { stdout } = await run(process.execPath, ['--snapshot-blob', blob, outfile]);
    return stdout.trim();
  }

  test('holds an empty pool, so that the processes which start from it share no nonce', async () => {
    const said = await fromSnapshot(`
      let fillings = 0;
      const stopped = { wall: () => 5, monotonic: () => 5 };
      const next = nonceStream((bytes) => { fillings += 1; bytes.fill(fillings); }, stopped);
      next();
      require('node:v8').startupSnapshot.setDeserializeMainFunction(() => {
        console.log(fillings, next()[11], fillings);
      });`);
    expect(said).toBe('1 2 2');
  });

  test('leaves the nonces of this module working', async () => {
    const said = await fromSnapshot(`
      const before = Buffer.from(pooledNonce()).toString('hex');
      require('node:v8').startupSnapshot.setDeserializeMainFunction(() => {
        console.log(Buffer.from(pooledNonce()).toString('hex') !== before, pooledNonce().length);
      });`);
    expect(said).toBe('true 12');
  });
});

test('clones of a process that share the state of OpenSSL give different nonces, since the kernel gives other bytes', () => {
  const openSsl = jest.spyOn(crypto, 'randomFillSync').mockImplementation((bytes) => bytes);
  const [first, second] = [nonceStream(undefined, STOPPED), nonceStream(undefined, STOPPED)];
  expect(hex(first())).not.toBe(hex(second()));
  expect(openSsl).toHaveBeenCalledTimes(2);
  openSsl.mockRestore();
});

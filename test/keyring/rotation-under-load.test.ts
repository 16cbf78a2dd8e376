import type { KeyRing } from '../../src/keyring/key-ring.ts';
import { readVarint } from '../../src/format/varint.ts';
import { stopServices } from '../local/support/running-service.ts';
import { current, ringWith } from '../support/ring.ts';
import { closeRingsOverHttp, open } from './support/service-with-keys.ts';

afterEach(async () => {
  closeRingsOverHttp();
  await stopServices();
});

/** Requests that follow one another without a pause: a row is written, and read by another ring. */
class Load {
  /** A row of each number that was read; 0: its writer knew none. */
  readonly read = new Map<number | undefined, Buffer>();
  readonly #failures: unknown[] = [];
  readonly #requests: Promise<void>[] = [];
  #isOver = false;

  start(writer: KeyRing, reader: KeyRing): void {
    this.#requests.push(this.#run(writer, reader));
  }

  /** Gives what went wrong with any of its requests. */
  async end(): Promise<readonly unknown[]> {
    this.#isOver = true;
    await Promise.all(this.#requests);
    return this.#failures;
  }

  /** Resolves when a row of that number was read, or a request has failed. */
  async until(number: number): Promise<void> {
    while (!this.read.has(number) && this.#failures.length === 0) await aMoment();
  }

  async #run(writer: KeyRing, reader: KeyRing): Promise<void> {
    while (!this.#isOver) {
      try {
        const row = writer.encryptField('note', 'patients:7:note');
        if ((await reader.decryptField(row, 'patients:7:note')) !== 'note') throw new Error('another text');
        this.read.set(readVarint(row), row);
      } catch (error) {
        this.#failures.push(error);
      }
      await aMoment();
    }
  }
}

test('two rotations by the Lambda in the middle of a load lose no request, whichever ring hears of them first', async () => {
  const world = await ringWith(current());
  // The one hears of each rotation when it is over. The other never asks by itself, and meets rows of keys unknown to it.
  const { ring: first } = await open(world.client);
  const { ring: second } = await open(world.client, { timeToLive: 3_600_000 });
  const load = new Load();
  load.start(first, second);
  load.start(second, first);
  load.start(first, first);
  await load.until(0);
  for (const number of [2, 3]) {
    expect(await world.rotate()).toMatchObject({ outcome: 'succeeded' });
    await first.refresh();
    await load.until(number);
  }
  expect(await load.end()).toEqual([]);
  expect([...load.read.keys()]).toEqual([0, 2, 3]);

  const { ring: cold } = await open(world.client);
  for (const row of load.read.values()) expect(await cold.decryptField(row, 'patients:7:note')).toBe('note');
});

function aMoment(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

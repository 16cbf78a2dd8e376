import { runRestore } from '../../../src/cli/commands/restore.ts';
import { runRetire } from '../../../src/cli/commands/retire.ts';
import { runRollback } from '../../../src/cli/commands/rollback.ts';
import type { OperatorSecrets } from '../../../src/cli/aws/operator.ts';
import { isKeyRotationError } from '../../../src/format/error.ts';
import { toKeyNumber } from '../../../src/format/key-number.ts';
import { KeyRing } from '../../../src/keyring/key-ring.ts';
import { systemClock } from '../../../src/keyring/clock.ts';
import { counting, giveCredentials, operatorOf } from '../../cli/support/operator.ts';
import { stopServices } from '../../local/support/running-service.ts';
import { HOUR } from '../../local/support/state-machine.ts';
import { Random } from '../../postgres/support/random.ts';
import { current, ringWith, SECRET, type TestRing } from '../../support/ring.ts';
import { readVarint } from '../../../src/format/varint.ts';

export interface KeysSoakOrders {
  readonly rotations: number;
  readonly seed: number;
}

/** Bytes by which the heap may grow between a quarter of the rotations and the last. */
const MOST_GROWTH = 20 * 2 ** 20;

/** How many older descriptions are kept, of which a stale read gives one. */
const KEPT_DESCRIPTIONS = 3;

/**
 * Rotates a secret again and again, with faults in the calls of the Lambda and stale descriptions for Lambda, commands
 * and application; retires, restores and rolls back beside it, while an application writes and reads. Prints what
 * happened. Returns whether every row stayed readable and the memory flat.
 */
export async function keysSoak({ rotations, seed }: KeysSoakOrders): Promise<boolean> {
  console.log(
    `Seed ${seed}: npm run soak -- --keys --rotations ${rotations} --seed ${seed} makes the same choices again.`,
  );
  giveCredentials();
  const ring = await ringWith(current());
  await ring.enableRotation();
  const soak = new KeysSoak(ring, new Random(seed));
  try {
    await soak.begin();
    let early = 0;
    for (let rotation = 1; rotation <= rotations; rotation += 1) {
      await soak.turn(rotation);
      if (rotation === Math.ceil(rotations / 4)) early = heap();
      if (rotation % 200 === 0) console.log(`${rotation} rotations: ${soak.summary()}, heap ${megabytes(heap())}`);
    }
    const growth = heap() - early;
    console.log(
      `${rotations} rotations: ${soak.summary()}; heap grew by ${megabytes(growth)} in the last three quarters.`,
    );
    return growth <= MOST_GROWTH;
  } finally {
    soak.end();
    await stopServices();
  }
}

class KeysSoak {
  readonly #ring: TestRing;
  readonly #random: Random;
  /** Rows by the number of the key that they need. */
  readonly #rows = new Map<number, { readonly row: Buffer; readonly text: string }[]>();
  readonly #descriptions: unknown[] = [];
  readonly #counts = { faults: 0, stale: 0, retried: 0, retired: 0, restored: 0, rolledBack: 0, refused: 0, reads: 0 };
  #application: KeyRing | undefined;

  constructor(ring: TestRing, random: Random) {
    this.#ring = ring;
    this.#random = random;
    ring.secrets = this.#stale(ring.secrets);
  }

  summary(): string {
    return Object.entries(this.#counts)
      .map(([name, count]) => `${count} ${name}`)
      .join(', ');
  }

  async begin(): Promise<void> {
    // From now on every key has a number.
    await this.#ring.tick();
    this.#application = await this.#open();
    this.#write(0);
  }

  end(): void {
    this.#application?.close();
  }

  /** One rotation, and what happens beside it. */
  async turn(rotation: number): Promise<void> {
    await this.#rotate();
    await this.#application?.refresh().catch(() => undefined);
    this.#write(rotation);
    if (this.#random.between(0, 10) === 0) await this.#command(() => this.#rollBack());
    if (this.#freeSlots() <= 4) await this.#retireOldest();
    if (this.#random.between(0, 10) === 0) await this.#readAll(this.#application);
    if (rotation % 50 === 0) {
      const cold = await this.#open();
      await this.#readAll(cold);
      cold.close();
    }
    this.#ring.log.length = 0;
    this.#ring.slept.length = 0;
    this.#ring.service.calls.clear();
  }

  async #rotate(): Promise<void> {
    const { service } = this.#ring;
    this.#ring.remainingTime = 30_000;
    if (this.#random.between(0, 2) === 0) {
      this.#counts.faults += 1;
      const kind = (['error', 'throttle', 'drop'] as const)[this.#random.between(0, 3)] ?? 'drop';
      const when = this.#random.between(0, 2) === 0 ? 'before' : 'after';
      service.faults.set({ kind, nth: this.#random.between(2, 16), when });
    }
    const before = this.#currentNumber();
    await this.#ring.rotate().catch(() => undefined);
    service.faults.clear();
    // Whatever was interrupted, the same rotation is taken up again: an operator starts it, or the next window does.
    for (let tries = 0; this.#isUnfinished(before); tries += 1) {
      if (tries === 5) throw new Error(`a rotation never ended: ${JSON.stringify(this.#ring.labels)}`);
      this.#counts.retried += 1;
      this.#ring.remainingTime = 30_000;
      await this.#ring.rotate().catch(() => undefined);
      await service.idle();
    }
    await service.advance(HOUR);
  }

  #isUnfinished(before: number): boolean {
    const versions = Object.values(this.#ring.secret.versions);
    const pending = versions.find(({ stages }) => stages.includes('AWSPENDING'));
    return this.#currentNumber() === before || (pending !== undefined && !pending.stages.includes('AWSCURRENT'));
  }

  /** Brings the rows of the oldest keys to the current one, and takes those keys off the ring. */
  async #retireOldest(): Promise<void> {
    const numbers = this.#numbers();
    const going = numbers.slice(0, numbers.length - 4);
    for (const number of going) {
      for (const { row, text } of this.#rows.get(number) ?? []) {
        await this.#expectText(this.#application, row, text);
        this.#keep(text);
      }
      this.#rows.delete(number);
    }
    await this.#ring.service.advance(25 * HOUR);
    const rows = Object.fromEntries(
      [...this.#rows].filter(([number]) => number > 0).map(([number, kept]) => [number, kept.length]),
    );
    const wanted = going.map((number) => toKeyNumber(number));
    await this.#command(async () => {
      await runRetire(this.#operator(), counting({ rows }), { numbers: wanted });
      this.#counts.retired += wanted.length;
    });
    const [back] = wanted;
    if (back === undefined || this.#random.between(0, 3) !== 0) return;
    await this.#command(async () => {
      await runRestore(this.#operator(), back);
      this.#counts.restored += 1;
      if (!this.#numbers().includes(back)) throw new Error(`restore said that key ${back} is on the ring`);
    });
  }

  async #rollBack(): Promise<void> {
    const { outcome } = await runRollback(this.#operator(), {});
    if (outcome === 'rolled back') await runRollback(this.#operator(), { undo: true });
    this.#counts.rolledBack += 1;
  }

  /** A command may refuse with a code; then it has changed nothing that a row needs. */
  async #command(act: () => Promise<void>): Promise<void> {
    try {
      await act();
    } catch (error) {
      if (!isKeyRotationError(error)) throw error;
      this.#counts.refused += 1;
    }
  }

  #operator() {
    this.#ring.remainingTime = 1_000_000;
    return operatorOf(this.#ring, (secrets) => this.#stale(secrets)).deps;
  }

  /** One description in ten is up to three older than the one that AWS would give now. */
  #stale<T extends Pick<OperatorSecrets, 'describeSecret'>>(secrets: T): T {
    return {
      ...secrets,
      describeSecret: async (input: Parameters<T['describeSecret']>[0]) => {
        const now = await secrets.describeSecret(input);
        this.#descriptions.push(now);
        if (this.#descriptions.length > KEPT_DESCRIPTIONS) this.#descriptions.shift();
        if (this.#random.between(0, 10) !== 0) return now;
        this.#counts.stale += 1;
        return this.#descriptions[this.#random.between(0, this.#descriptions.length)] as typeof now;
      },
    };
  }

  #open(): Promise<KeyRing> {
    return KeyRing.open(
      { keySource: 'aws', environment: 'staging', region: 'us-east-1', secretId: SECRET, environmentKey: undefined },
      { client: this.#ring.client, logger: () => undefined, clock: systemClock },
    );
  }

  #write(rotation: number): void {
    this.#keep(`note of rotation ${rotation}`);
  }

  #keep(text: string): void {
    const row = this.#application?.encryptField(text, 'notes');
    if (row === undefined) return;
    const number = readVarint(row) ?? 0;
    this.#rows.set(number, [...(this.#rows.get(number) ?? []).slice(-4), { row, text }]);
  }

  async #readAll(ring: KeyRing | undefined): Promise<void> {
    for (const kept of this.#rows.values()) {
      for (const { row, text } of kept) await this.#expectText(ring, row, text);
    }
  }

  async #expectText(ring: KeyRing | undefined, row: Buffer, text: string): Promise<void> {
    this.#counts.reads += 1;
    if ((await ring?.decryptField(row, 'notes')) !== text) throw new Error(`another text than '${text}'`);
  }

  #numbers(): readonly number[] {
    const labels = Object.values(this.#ring.secret.versions).flatMap(({ stages }) => [...stages]);
    const found = labels.map((label) => /^key-v([0-9]+)$/.exec(label)?.[1]).filter((number) => number !== undefined);
    return found.map(Number).sort((one, other) => one - other);
  }

  #currentNumber(): number {
    const version = Object.values(this.#ring.secret.versions).find(({ stages }) => stages.includes('AWSCURRENT'));
    const number = [...(version?.stages ?? [])].map((label) => /^key-v([0-9]+)$/.exec(label)?.[1]).find(Boolean);
    return Number(number ?? 0);
  }

  #freeSlots(): number {
    const labels = new Set(Object.values(this.#ring.secret.versions).flatMap(({ stages }) => [...stages]));
    return 17 - [...labels].filter((label) => !label.startsWith('AWS')).length;
  }
}

function heap(): number {
  (globalThis as { gc?: () => void }).gc?.();
  return process.memoryUsage().heapUsed;
}

function megabytes(bytes: number): string {
  return `${(bytes / 2 ** 20).toFixed(1)} MiB`;
}

import { randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { isKeyRotationError } from '../../../src/format/error.ts';
import { encryptField } from '../../../src/format/field.ts';
import { KeyMaterial } from '../../../src/format/key-material.ts';
import { toKeyNumber } from '../../../src/format/key-number.ts';
import type { KeyRing } from '../../../src/keyring/key-ring.ts';
import { readVarint } from '../../../src/format/varint.ts';
import { OLD_FORMS } from '../../format/support/old-application.ts';
import { closeRings, RingWorld } from '../support/ring-world.ts';
import { RUBBISH, sourceInTrouble, type Trouble } from '../support/aws-outages.ts';

afterEach(closeRings);

const CONTEXT = 'patients:7:note';
const TIME_TO_LIVE = 300_000;
const TIME_LIMIT = 5000;
/** What a row may wait beyond its time limit: for the next description. */
const TURN = 3000;
const MOST_KEYS = 6;
const WRITERS = Object.values(OLD_FORMS);

/** What may be said of a row that is as it was written, under a key that the ring knew when it was opened. */
const OF_A_GOOD_ROW = ['KEY_UNAVAILABLE', 'INVALID_KEY_VALUE'];
const OF_ANY_REQUEST = [
  ...OF_A_GOOD_ROW,
  'KEY_NEVER_ISSUED',
  'KEY_RETIRED',
  'KEY_TOO_OLD',
  'TAMPERED_OR_WRONG_CONTEXT',
];

const trouble: fc.Arbitrary<Trouble> = fc.oneof(
  fc.constantFrom<Trouble>('none', 'refuses', 'hangs'),
  fc.integer({ min: 1, max: 8000 }),
  fc.record({ answers: fc.constantFrom(...RUBBISH) }),
  fc.record({ throws: fc.constantFrom(...RUBBISH) }),
);

// A number from 0 to 7 of at most six keys, in today's form or in one of the older ones, changed on its way or not.
const reading = fc.record({
  kind: fc.constant('read' as const),
  number: fc.nat(7),
  form: fc.option(fc.nat(WRITERS.length - 1), { freq: 2 }),
  isChanged: fc.nat(3).map((chance) => chance === 0),
  isSync: fc.boolean(),
});

const move = fc.oneof(
  { weight: 6, arbitrary: reading },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('trouble' as const), trouble }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('wait' as const), milliseconds: fc.nat(400_000) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('refresh' as const) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('rotate' as const) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('write' as const) }) },
);
type Move = typeof move extends fc.Arbitrary<infer T> ? T : never;

/** A ring in a world of trouble, and every request that it was sent. */
class Scene {
  readonly requests: Promise<void>[] = [];
  readonly #world: RingWorld;
  readonly #ring: KeyRing;
  readonly #way: { trouble: Trouble };
  readonly #keysAtOpening: number;

  private constructor(world: RingWorld, ring: KeyRing, way: { trouble: Trouble }) {
    this.#world = world;
    this.#ring = ring;
    this.#way = way;
    this.#keysAtOpening = world.versionIds.size;
  }

  static async open(world: RingWorld, legacy: boolean, environmentKey: KeyMaterial | undefined): Promise<Scene> {
    const way = { trouble: 'none' as Trouble };
    const source = sourceInTrouble(world, () => way.trouble);
    const ring = await world.open({ source, legacy, callTimeLimit: TIME_LIMIT }, { environmentKey });
    return new Scene(world, ring, way);
  }

  async act(what: Move): Promise<void> {
    switch (what.kind) {
      case 'trouble':
        this.#way.trouble = what.trouble;
        return;
      case 'wait':
        return this.#world.clock.advance(what.milliseconds);
      case 'rotate':
        if (this.#world.versionIds.size < MOST_KEYS) await this.#world.rotate();
        return;
      case 'refresh':
        this.#ring.refresh().catch(() => undefined);
        return;
      case 'write':
        this.#ask(() => void this.#ring.encryptField('note', CONTEXT));
        return;
      case 'read':
        this.#read(what);
    }
  }

  /** AWS answers again: some time later every row is read, the newest key writes, and a close leaves nothing. */
  async end(legacy: boolean): Promise<void> {
    this.#way.trouble = 'none';
    // What was no key is taken for that for a time to live.
    await this.#world.clock.advance(2 * TIME_TO_LIVE);
    for (const [number, key] of this.#world.keyBytes) {
      for (const row of [
        encryptField('note', key, CONTEXT, { number: toKeyNumber(number) }),
        encryptField('note', key, CONTEXT),
        ...(legacy ? WRITERS.map((write) => write('note', { key })) : []),
      ]) {
        expect(await this.#ring.decryptField(row, CONTEXT)).toBe('note');
      }
    }
    expect(readVarint(this.#ring.encryptField('note'))).toBe(this.#world.versionIds.size);
    this.#ring.close();
    await this.#world.clock.advance(TIME_TO_LIVE);
    expect(this.#world.clock.timers).toHaveLength(0);
  }

  #read({ number, form, isChanged, isSync }: Extract<Move, { kind: 'read' }>): void {
    const key = this.#world.keyBytes.get(number) ?? randomBytes(32);
    const write = form === null ? undefined : WRITERS[form];
    const row =
      write?.('note', { key }) ??
      encryptField('note', key, CONTEXT, { number: number === 0 ? 0 : toKeyNumber(number) });
    if (isChanged) row[row.length - 1] = (row[row.length - 1] ?? 0) ^ 1;
    const isGood = number > 0 && number <= this.#keysAtOpening && form === null && !isChanged;
    this.#ask(
      () => (isSync ? this.#ring.decryptFieldSync(row, CONTEXT) : this.#ring.decryptField(row, CONTEXT)),
      isGood ? OF_A_GOOD_ROW : OF_ANY_REQUEST,
    );
  }

  /** Takes a text or one of these errors for an answer, and nothing else. */
  #ask(request: () => unknown, codes: readonly string[] = OF_ANY_REQUEST): void {
    const answer = Promise.resolve().then(request);
    this.requests.push(
      answer.then(
        (text) => {
          if (text !== undefined) expect(text).toBe('note');
        },
        (error: unknown) => {
          if (!isKeyRotationError(error)) throw error;
          expect(codes).toContain(error.code);
        },
      ),
    );
  }
}

test('whatever AWS does in whatever order: requests end in time with text or a documented code, and afterwards every row is read', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 4 }),
      fc.boolean(),
      fc.boolean(),
      fc.array(move, { minLength: 5, maxLength: 40, size: 'max' }),
      async (keys, legacy, hasEnvironmentKey, moves) => {
        const world = await RingWorld.withKeys(keys);
        const environmentKey = hasEnvironmentKey ? KeyMaterial.fromBytes(randomBytes(32)) : undefined;
        const scene = await Scene.open(world, legacy, environmentKey);
        for (const what of moves) await scene.act(what);
        expect(await world.clock.timeOf(Promise.all(scene.requests))).toBeLessThanOrEqual(TIME_LIMIT + TURN);
        await Promise.all(scene.requests);

        await scene.end(legacy);
      },
    ),
    { numRuns: 200 },
  );
});

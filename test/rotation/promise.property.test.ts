import fc from 'fast-check';
import type { Behaviour } from '../../src/local/service/state.ts';
import type { Product } from '../explore/support/product.ts';
import { buildMutant } from '../explore/support/mutants/mutant.ts';
import { MUTANTS } from '../explore/support/mutants/mutants.ts';
import { OperatedRing, type Fate } from '../support/operated-ring.ts';

const behaviour: fc.Arbitrary<Behaviour> = fc.record({
  unlabelledVersions: fc.constantFrom('deleted-at-once', 'kept'),
  firstPendingValue: fc.constantFrom('becomes-current', 'stays-pending'),
  pendingAfterSuccess: fc.constantFrom('removed', 'left'),
});

/** Mostly calls that are made: a rotation that never gets anywhere tells nothing. */
const fates: fc.Arbitrary<Fate[]> = fc.array(
  fc.oneof(
    { weight: 8, arbitrary: fc.constant<Fate>('made') },
    { weight: 1, arbitrary: fc.constant<Fate>('lost before it took effect') },
    { weight: 1, arbitrary: fc.constant<Fate>('lost after it took effect') },
  ),
  { maxLength: 25 },
);

type Act = (ring: OperatedRing) => Promise<void> | void;

/** An act that fast-check prints by its name. */
const named = (name: string, act: Act) => ({ act, toString: () => name });

const act = fc.oneof(
  { weight: 8, arbitrary: rotation('rotation') },
  { weight: 1, arbitrary: rotation('test') },
  { weight: 3, arbitrary: fates.map((fate) => named(`put, ${fate.join()}`, (ring) => ring.put(fate))) },
  { weight: 1, arbitrary: fates.map((fate) => named(`move back, ${fate.join()}`, (ring) => ring.moveBack(fate))) },
  { weight: 2, arbitrary: fc.constant(named('roll back', (ring) => ring.rollBack())) },
  {
    weight: 4,
    arbitrary: fc.nat(20).map((n) =>
      named(`retire ${n}`, (ring) => {
        ring.retire(n);
      }),
    ),
  },
  {
    weight: 1,
    arbitrary: fc.constant(
      named('cancel', (ring) => {
        ring.cancel();
      }),
    ),
  },
  {
    weight: 2,
    arbitrary: fc.constant(
      named('clean up', (ring) => {
        ring.cleanUp();
      }),
    ),
  },
);

function rotation(kind: 'rotation' | 'test') {
  return fc
    .tuple(fates, fc.integer({ min: 1, max: 3 }))
    .map(([fate, tries]) => named(`${kind}, ${tries} tries, ${fate.join()}`, (ring) => ring.rotate(kind, fate, tries)));
}

/** Any sequence of acts on the ring of this product breaks nothing. */
function keepsThePromise(product?: Product): fc.IAsyncPropertyWithHooks<[Behaviour, { act: Act }[]]> {
  return fc.asyncProperty(behaviour, fc.array(act, { maxLength: 40 }), async (how, acts) => {
    const ring = new OperatedRing(how, product);
    ring.write();
    for (const each of acts) {
      await each.act(ring);
      ring.write();
      expect(ring.broken).toEqual([]);
    }
  });
}

test('any sequence of rotations, failures, puts, rollbacks and retirements keeps every unretired row readable', async () => {
  await fc.assert(keepsThePromise(), { numRuns: 200 });
});

test.each(['adoption in both steps at once', 'the fresh-key check'])(
  'the property notices that %s is missing',
  async (name) => {
    const mutant = MUTANTS.find(({ takenOut }) => takenOut === name);
    if (mutant === undefined) throw new Error(`no one takes out ${name}`);
    // Most sequences do not notice, so that 200 of them were sometimes too few.
    const { failed } = await fc.check(keepsThePromise(await buildMutant(mutant)), {
      numRuns: 5000,
      endOnFailure: true,
    });
    expect(failed).toBe(true);
  },
);

test('and after any such sequence, once the rest is cleaned up, a rotation succeeds unless the ring is full', async () => {
  await fc.assert(
    fc.asyncProperty(behaviour, fc.array(act, { maxLength: 20 }), async (how, acts) => {
      const ring = new OperatedRing(how);
      for (const each of acts) await each.act(ring);
      ring.cleanUp();
      const before = ring.ring;
      await ring.rotate('rotation', [], 1);
      const isFull = before.freeSlots < 3;
      expect(isFull || ring.ring.highestNumber > before.highestNumber).toBe(true);
      expect(isFull || ring.ring.current !== before.current).toBe(true);
    }),
    { numRuns: 100 },
  );
});

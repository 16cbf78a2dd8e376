import { stopServices } from '../local/support/running-service.ts';
import { current, keyOf, ringWith, type TestRing } from '../support/ring.ts';
import { Rows } from '../support/rows.ts';

afterEach(stopServices);

describe('nothing is lost', () => {
  test('C01: five rotations and 120 puts later every row of the first key is readable', async () => {
    const ring = await ringWith(current());
    const rows = new Rows(ring);
    await rows.write(100);
    for (let year = 1; year <= 5; year += 1) {
      await ring.service.advance(2 * 86_400_000);
      await ring.rotate();
    }
    await ring.service.advance(2 * 86_400_000);
    for (let put = 1; put <= 120; put += 1) await ring.put(keyOf(1000 + put).toString('base64'), undefined, ['mine']);

    expect(await rows.unreadable()).toEqual([]);
    const numbered = Object.values(ring.labels).filter((labels) => labels.includes('key-v'));
    expect(numbered).toEqual(['key-v1', 'key-v2', 'key-v3', 'key-v4', 'AWSPREVIOUS key-v5', 'AWSCURRENT key-v6']);
  });

  test('C02: three values put by hand are all on the ring, since the Lambda hears of each', async () => {
    const ring = await ringWith(current(1));
    await ring.enableRotation();
    const rows = new Rows(ring);
    for (const place of [11, 12, 13]) {
      await ring.put(keyOf(place).toString('base64'));
      await rows.write();
    }
    await ring.rotate();
    expect(Object.values(ring.labels)).toEqual([
      ...['key-v1', 'key-v2', 'key-v3', 'AWSPREVIOUS key-v4', 'AWSCURRENT key-v5'],
    ]);
    expect(await rows.unreadable()).toEqual([]);
  });

  test('C02: an unnumbered key survives one further move of AWSCURRENT, until the rotation numbers it', async () => {
    const ring = await ringWith(1, current());
    const rows = new Rows(ring);
    await rows.write();
    await ring.put(keyOf(11).toString('base64'));
    await ring.rotate();
    expect(ring.labels).toMatchObject({ 2: 'key-v2', 3: 'AWSPREVIOUS key-v3', 4: 'AWSCURRENT key-v4' });
    expect(await rows.unreadable()).toEqual([]);
  });

  test('in a hundred rotations with retirements in between every unretired row stays readable', async () => {
    const ring = await ringWith(current());
    ring.service.setBehaviour({ unlabelledVersions: 'deleted-at-once' });
    const rows = new Rows(ring);
    await rows.write();
    for (let rotation = 1; rotation <= 100; rotation += 1) {
      if (rotation % 7 === 0) await retireAllBut(ring, 5);
      expect(await ring.rotate()).toMatchObject({ outcome: 'succeeded' });
      await rows.write();
    }
    expect(ring.labels[101]).toBe('AWSCURRENT key-v101');

    const retired = 101 - Object.keys(ring.labels).length;
    expect(retired).toBeGreaterThan(80);
    expect(await rows.unreadable()).toEqual(Array.from({ length: retired }, (_, index) => index + 1));
  });
});

/** Detaches the oldest numbers, never one whose version has a label of AWS (docs/architecture.md, invariant 4). */
async function retireAllBut(ring: TestRing, kept: number): Promise<void> {
  const numbers = Object.values(ring.labels).filter((labels) => /^key-v\d+$/.test(labels));
  for (const label of numbers.slice(0, -kept)) await ring.detach(label);
}

import { stopServices } from '../local/support/running-service.ts';
import { current, ringWith } from '../support/ring.ts';
import { Rows } from '../support/rows.ts';

afterEach(stopServices);

describe('whatever call fails, before or after it took effect', () => {
  const OPERATIONS = [
    ['DescribeSecret', 7],
    ['GetSecretValue', 4],
    ['PutSecretValue', 1],
    ['UpdateSecretVersionStage', 3],
  ] as const;
  const FAULTS = OPERATIONS.flatMap(([operation, times]) =>
    Array.from({ length: times }, (_, index) => index + 1).flatMap((nth) =>
      (['before', 'after'] as const).flatMap((when) =>
        (['throttle', 'drop'] as const).map((kind) => ({ operation, nth, when, kind })),
      ),
    ),
  );

  test('there are no further calls in such a rotation', async () => {
    const ring = await ringWith(current());
    await ring.rotate();
    for (const [operation, times] of OPERATIONS) {
      expect([operation, ring.calls.filter((call) => call.operation === operation).length]).toEqual([operation, times]);
    }
  });

  test.each(FAULTS)('$kind $when $operation $nth: the next try ends well', async (fault) => {
    const ring = await ringWith(current());
    const rows = new Rows(ring);
    await rows.write();
    ring.service.faults.set(fault);
    const { outcome } = await ring.rotate();
    ring.service.faults.clear();
    if (outcome !== 'succeeded') {
      expect(['AWS_REFUSED', 'CANNOT_REACH_AWS', 'VERSION_UNREADABLE', 'RING_KEY_UNREADABLE']).toContain(
        ring.log.at(-1)?.['code'],
      );
      // Refused, and yet run again, unless only the answer to the promotion was lost: then it makes one more key.
      await ring.rotate().catch(() => ring.service.idle());
    }
    expect(await rows.unreadable()).toEqual([]);
    const [newest, former] = Object.values(ring.labels).reverse();
    const number = Object.values(ring.labels).length;
    expect([newest, former]).toEqual([`AWSCURRENT key-v${number}`, `AWSPREVIOUS key-v${number - 1}`]);
  });
});

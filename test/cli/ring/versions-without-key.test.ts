import { runAdopt } from '../../../src/cli/commands/adopt.ts';
import { runPut } from '../../../src/cli/commands/put.ts';
import { runStatus } from '../../../src/cli/commands/status.ts';
import { stopServices } from '../../local/support/running-service.ts';
import { current, keyOf, previous, ringWith, type TestRing } from '../../support/ring.ts';
import { operatorOf, valueOf } from '../support/operator.ts';

afterEach(stopServices);

const status = (ring: TestRing) => runStatus(operatorOf(ring).deps);

async function stateOf(ring: TestRing, place: number): Promise<string | undefined> {
  return (await status(ring)).versions.find(({ versionId }) => versionId === ring.idOf(place))?.state;
}

describe('status asks for nothing to be rescued that never encrypted anything', () => {
  test('the placeholder of a rotation that a put gave up', async () => {
    const ring = await ringWith(previous(1), current(2));
    await ring.enableRotation();
    await ring.begin();
    await runPut(operatorOf(ring).deps, valueOf(9));
    expect((await status(ring)).notes).toEqual([]);
    expect(await stateOf(ring, 3)).toBe('abandoned');
  });

  test('a value that is no key', async () => {
    const ring = await ringWith(current(1));
    await ring.enableRotation();
    await ring.put('no key');
    await ring.put(keyOf(3).toString('base64'));
    await ring.put(keyOf(4).toString('base64'));
    await runAdopt(operatorOf(ring).deps, {});
    expect((await status(ring)).notes).toEqual([]);
    expect(await stateOf(ring, 2)).toBe('abandoned');
  });

  test('but a key without a label, and a version that cannot be read', async () => {
    const ring = await ringWith(1, previous(2), current(3));
    await ring.detach('key-v1');
    expect(await stateOf(ring, 1)).toBe('no label');
    ring.service.faults.set({ kind: 'error', type: 'AccessDeniedException', operation: 'GetSecretValue' });
    expect(await stateOf(ring, 1)).toBe('no label');
  });

  test('it reads ten of them at most, beside the two in use that have no number', async () => {
    const ring = await ringWith(current(1));
    ring.service.setBehaviour({ unlabelledVersions: 'kept' });
    for (let put = 1; put <= 14; put += 1) await ring.put(keyOf(put + 100).toString('base64'));
    ring.service.calls.clear();
    await status(ring);
    expect(ring.service.calls.counts['GetSecretValue']).toBe(10 + 2);
  });
});

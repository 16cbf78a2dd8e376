import { DurableState } from '../../src/local/durable-state.ts';
import { LocalSecretsManager } from '../../src/local/local-secrets-manager.ts';
import type { SavedState } from '../../src/local/saved-state.ts';
import type { ServiceState } from '../../src/local/service/state.ts';

const EMPTY: ServiceState = { secrets: {} };

/** A disk whose writes a test ends one by one, and one state after another. */
function slowDisk() {
  const writes: { readonly state: ServiceState; readonly end: (error?: Error) => void }[] = [];
  const save = ({ state }: SavedState): Promise<void> =>
    new Promise((resolve, reject) => {
      writes.push({
        state,
        end: (error) => {
          if (error === undefined) resolve();
          else reject(error);
        },
      });
    });
  const state = new DurableState({ initial: EMPTY, clockOffset: () => 0, save });
  return { writes, state, next: (): ServiceState => ({ secrets: {} }) };
}

const FULL = new Error('ENOSPC');

describe('a change of the durable state', () => {
  test('is taken back if it cannot be saved', async () => {
    const { writes, state, next } = slowDisk();
    const change = state.replace(next());
    writes[0]?.end(FULL);
    await expect(change).rejects.toMatchObject({ type: 'InternalServiceError' });
    expect(state.current).toBe(EMPTY);
    await state.saved();
  });

  test('is kept if a later save, with what was built on it, succeeds', async () => {
    const { writes, state, next } = slowDisk();
    const [first, second] = [state.replace(next()), next()];
    const change = state.replace(second);
    writes[0]?.end(FULL);
    await expect(first).rejects.toThrow('ENOSPC');
    expect(state.current).toBe(second);
    writes[1]?.end();
    await change;
    expect(state.current).toBe(second);
  });

  test('is taken back together with what was built on it', async () => {
    const { writes, state, next } = slowDisk();
    const changes = [state.replace(next()), state.replace(next())];
    for (const { end } of writes) end(FULL);
    for (const change of changes) await expect(change).rejects.toThrow('ENOSPC');
    expect(state.current).toBe(EMPTY);
  });

  test('is answered to no reader before it is saved', async () => {
    const { writes, state, next } = slowDisk();
    const change = state.replace(next());
    let isSaved = false;
    const saved = state.saved().then(() => (isSaved = true));
    await Promise.resolve();
    expect(isSaved).toBe(false);
    writes[0]?.end();
    await Promise.all([change, saved]);
  });
});

describe('the service on a disk that is full for a time', () => {
  test('acknowledges nothing that a crash would undo, whatever is retried', async () => {
    let isFull = false;
    let disk: SavedState = { clockOffset: 0, state: EMPTY };
    const service = new LocalSecretsManager({
      save: async (saved) => {
        await Promise.resolve();
        if (isFull) throw FULL;
        disk = saved;
      },
    });
    const put = { SecretId: 'key', ClientRequestToken: 'b'.repeat(32), SecretString: 'second' };
    const restarted = () => new LocalSecretsManager({ saved: disk });
    await service.call('CreateSecret', { Name: 'key', ClientRequestToken: 'a'.repeat(32), SecretString: 'first' });
    await service.call('GetSecretValue', { SecretId: 'key' });
    isFull = true;
    for (let attempt = 0; attempt < 3; attempt += 1) {
      await expect(service.call('PutSecretValue', put)).rejects.toMatchObject({ type: 'InternalServiceError' });
    }
    expect(await service.call('GetSecretValue', { SecretId: 'key' })).toMatchObject({ SecretString: 'first' });
    isFull = false;
    await service.call('PutSecretValue', put);
    expect(await restarted().call('GetSecretValue', { SecretId: 'key' })).toMatchObject({ SecretString: 'second' });
  });
});

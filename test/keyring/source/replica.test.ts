import {
  ReplicateSecretToRegionsCommand,
  StopReplicationToReplicaCommand,
  type SecretsManagerClient,
} from '@aws-sdk/client-secrets-manager';
import { clientOf, stopServices, type RunningService } from '../../local/support/running-service.ts';
import { rejectionOf } from '../support/rejection-of.ts';
import { SECRET } from '../support/ring-world.ts';
import { addKey, closeRingsOverHttp, open, rowUnder, serviceWithKeys } from '../support/service-with-keys.ts';

/* A ring that reads a replica: the secret in another region of one local service. */

const clients: SecretsManagerClient[] = [];
afterEach(async () => {
  closeRingsOverHttp();
  for (const client of clients.splice(0)) client.destroy();
  await stopServices();
});

async function replicated(keys: number): Promise<{ primary: RunningService; replica: SecretsManagerClient }> {
  const primary = await serviceWithKeys(keys);
  const AddReplicaRegions = [{ Region: 'eu-west-1' }];
  await primary.client.send(new ReplicateSecretToRegionsCommand({ SecretId: SECRET, AddReplicaRegions }));
  const replica = clientOf(primary.url, 1, 'eu-west-1');
  clients.push(replica);
  return { primary, replica };
}

test('it reads every row, encrypts with the current key, and sees a rotation of the primary', async () => {
  const { primary, replica } = await replicated(2);
  const { ring } = await open(replica);
  for (const number of [1, 2]) expect(await ring.decryptField(rowUnder(number), 'a')).toBe('note');
  await addKey(primary.client, 3);
  expect(await ring.decryptField(rowUnder(3), 'a')).toBe('note');
  await ring.refresh();
  ring.encryptField('note', 'a');
  expect(ring.usage().map(({ keyNumber }) => keyNumber)).toEqual([3]);
});

test('a number that no key has is unavailable there, never issued in the region of the primary', async () => {
  const { primary, replica } = await replicated(2);
  const codes = [primary.client, replica].map(async (client) => {
    const { ring } = await open(client);
    return (await rejectionOf(ring.decryptField(rowUnder(9), 'a'))).code;
  });
  expect(await Promise.all(codes)).toEqual(['KEY_NEVER_ISSUED', 'KEY_UNAVAILABLE']);
});

test('a replica that became a secret of its own has its keys, and no longer waits for the primary', async () => {
  const { primary, replica } = await replicated(2);
  await replica.send(new StopReplicationToReplicaCommand({ SecretId: SECRET }));
  await addKey(primary.client, 3);
  const { ring } = await open(replica);
  for (const number of [1, 2]) expect(await ring.decryptField(rowUnder(number), 'a')).toBe('note');
  expect((await rejectionOf(ring.decryptField(rowUnder(9), 'a'))).code).toBe('KEY_NEVER_ISSUED');
});

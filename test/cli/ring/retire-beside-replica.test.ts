import { CreateSecretCommand, ReplicateSecretToRegionsCommand } from '@aws-sdk/client-secrets-manager';
import { operatorSecrets } from '../../../src/cli/aws/operator-secrets.ts';
import { runRetire } from '../../../src/cli/commands/retire.ts';
import { clientOf, stopServices } from '../../local/support/running-service.ts';
import { current, previous, SECRET, type TestRing } from '../../support/ring.ts';
import { counting, endpointOf, numbers, operatorOf } from '../support/operator.ts';
import { refusesUntouched } from '../support/refusal.ts';
import { retire, settledRing } from '../support/retiring.ts';

afterEach(stopServices);

/** A ring whose replica in eu-west-1 is as it says. */
async function replicated(isFailed: boolean): Promise<TestRing> {
  const ring = await settledRing(1, previous(2), current(3));
  const client = clientOf(await endpointOf(ring), 1, 'eu-west-1');
  if (isFailed) await client.send(new CreateSecretCommand({ Name: SECRET, SecretString: 'theirs' }));
  client.destroy();
  const AddReplicaRegions = [{ Region: 'eu-west-1' }];
  await ring.client.send(new ReplicateSecretToRegionsCommand({ SecretId: SECRET, AddReplicaRegions }));
  await ring.service.advance(25 * 3_600_000);
  return ring;
}

const force = (ring: TestRing) => runRetire(operatorOf(ring).deps, counting(), { numbers: numbers(1), force: true });

test('a replica that is not in sync may still give writers an older key, so no key is retired', async () => {
  const ring = await replicated(true);
  await refusesUntouched(
    ring,
    (deps) => runRetire(deps, counting(), { numbers: numbers(1) }),
    'REPLICA_BEHIND',
    'The replica in eu-west-1 is Failed',
    `aws secretsmanager remove-regions-from-replication --secret-id ${SECRET} --remove-replica-regions eu-west-1`,
  );
  expect((await force(ring)).retired).toHaveLength(1);
});

test('on a replica itself, retire counts nothing and names the region of the primary', async () => {
  const ring = await replicated(false);
  const client = clientOf(await endpointOf(ring), 1, 'eu-west-1');
  const { deps } = operatorOf(ring, () => operatorSecrets(client));
  const census = jest.fn(counting());
  const refused = runRetire(deps, census, { numbers: numbers(1), force: false });
  await expect(refused).rejects.toMatchObject({
    code: 'IS_REPLICA',
    message: expect.stringContaining('us-east-1') as string,
  });
  expect(census).not.toHaveBeenCalled();
  client.destroy();
});

test('a key is retired beside a replica that is in sync', async () => {
  expect((await retire(await replicated(false), 1)).retired).toHaveLength(1);
});

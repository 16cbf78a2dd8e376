import { recorded, type Change } from '../../../src/cli/aws/change.ts';
import { operatorSecrets } from '../../../src/cli/aws/operator-secrets.ts';
import { stopServices } from '../../local/support/running-service.ts';
import { current, keyOf, ringWith, SECRET, type TestRing } from '../../support/ring.ts';

afterEach(stopServices);

const TOKEN = 'a'.repeat(32);
const SecretString = keyOf(9).toString('base64');

function recordedOn(ring: TestRing) {
  const changes: Change[] = [];
  return { changes, secrets: recorded(operatorSecrets(ring.client), (change) => changes.push(change)) };
}

test('the first value of a secret is listed with AWSCURRENT, which it got', async () => {
  const { changes, secrets } = recordedOn(await ringWith());
  await secrets.putSecretValue({ SecretId: SECRET, ClientRequestToken: TOKEN, SecretString, VersionStages: ['mine'] });
  expect(changes).toMatchObject([{ change: 'value-stored', versionId: TOKEN }]);
  expect(changes[0]).toHaveProperty('labels', expect.arrayContaining(['mine', 'AWSCURRENT']));
});

test('what another run has stored and attached is not listed', async () => {
  const ring = await ringWith(current(1));
  const value = { SecretId: SECRET, ClientRequestToken: TOKEN, SecretString, VersionStages: ['mine'] };
  const label = { SecretId: SECRET, VersionStage: 'key-v2', MoveToVersionId: TOKEN };
  const first = recordedOn(ring);
  await first.secrets.putSecretValue(value);
  await first.secrets.updateSecretVersionStage(label);
  expect(first.changes).toHaveLength(2);
  const second = recordedOn(ring);
  await second.secrets.describeSecret({ SecretId: SECRET });
  await second.secrets.putSecretValue(value);
  await second.secrets.updateSecretVersionStage(label);
  expect(second.changes).toEqual([]);
});

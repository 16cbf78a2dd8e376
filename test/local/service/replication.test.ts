import {
  CreateSecretCommand,
  DeleteSecretCommand,
  DescribeSecretCommand,
  GetSecretValueCommand,
  ListSecretsCommand,
  ListSecretVersionIdsCommand,
  PutResourcePolicyCommand,
  PutSecretValueCommand,
  RemoveRegionsFromReplicationCommand,
  ReplicateSecretToRegionsCommand,
  RotateSecretCommand,
  SecretsManagerClient,
  StopReplicationToReplicaCommand,
  TagResourceCommand,
  UpdateSecretVersionStageCommand,
} from '@aws-sdk/client-secrets-manager';
import { KeyRing } from '../../../src/keyring/key-ring.ts';
import { startService, stopServices } from '../support/running-service.ts';
import { token } from '../support/state-machine.ts';

const clients: SecretsManagerClient[] = [];
afterEach(async () => {
  for (const client of clients.splice(0)) client.destroy();
  await stopServices();
});

function clientIn(region: string, endpoint: string): SecretsManagerClient {
  const credentials = { accessKeyId: 'test', secretAccessKey: 'test' };
  const client = new SecretsManagerClient({ endpoint, region, credentials, maxAttempts: 1 });
  clients.push(client);
  return client;
}

/** A secret in Virginia with a replica in Ireland, and a client for each. */
async function replicated() {
  const { url, service } = await startService();
  const [virginia, ireland] = [clientIn('us-east-1', url), clientIn('eu-west-1', url)];
  const created = await virginia.send(
    new CreateSecretCommand({
      Name: 'a',
      ClientRequestToken: token(1),
      SecretString: 'v1',
      KmsKeyId: 'alias/virginia',
      Tags: [{ Key: 'team', Value: 'ops' }],
      AddReplicaRegions: [{ Region: 'eu-west-1', KmsKeyId: 'alias/ireland' }],
    }),
  );
  const arn = created.ARN ?? '';
  return { url, service, virginia, ireland, arn, replicaArn: arn.replace('us-east-1', 'eu-west-1') };
}

const NOT_ON_REPLICA = {
  name: 'InvalidParameterException',
  message: "Operation not permitted on a replica secret. Call must be made in primary secret's region.",
};

test('a replica has the value, labels and tags of its primary, under its own ARN and KMS key', async () => {
  const { virginia, ireland, arn, replicaArn } = await replicated();
  expect(await virginia.send(new DescribeSecretCommand({ SecretId: 'a' }))).toMatchObject({
    ARN: arn,
    KmsKeyId: 'alias/virginia',
    PrimaryRegion: 'us-east-1',
    ReplicationStatus: [{ Region: 'eu-west-1', KmsKeyId: 'alias/ireland', Status: 'InSync' }],
  });
  for (const SecretId of ['a', replicaArn]) {
    const described = await ireland.send(new DescribeSecretCommand({ SecretId }));
    expect(described).toMatchObject({ ARN: replicaArn, KmsKeyId: 'alias/ireland', PrimaryRegion: 'us-east-1' });
    expect(described.Tags).toEqual([{ Key: 'team', Value: 'ops' }]);
    expect(described.ReplicationStatus).toBeUndefined();
    expect(await ireland.send(new GetSecretValueCommand({ SecretId }))).toMatchObject({ SecretString: 'v1' });
  }
  await expect(ireland.send(new DescribeSecretCommand({ SecretId: arn }))).rejects.toThrow(/can't find/);
});

test('what the primary gets, the replica has', async () => {
  const { virginia, ireland } = await replicated();
  await virginia.send(new PutSecretValueCommand({ SecretId: 'a', ClientRequestToken: token(2), SecretString: 'v2' }));
  expect(await ireland.send(new GetSecretValueCommand({ SecretId: 'a' }))).toMatchObject({ SecretString: 'v2' });
  expect(await ireland.send(new DescribeSecretCommand({ SecretId: 'a' }))).toMatchObject({
    VersionIdsToStages: { [token(1)]: ['AWSPREVIOUS'], [token(2)]: ['AWSCURRENT'] },
  });
});

test('the day of a read is noted where it was read', async () => {
  const { virginia, ireland } = await replicated();
  await ireland.send(new GetSecretValueCommand({ SecretId: 'a' }));
  const { LastAccessedDate, ReplicationStatus } = await virginia.send(new DescribeSecretCommand({ SecretId: 'a' }));
  expect(LastAccessedDate).toBeUndefined();
  const there = await ireland.send(new DescribeSecretCommand({ SecretId: 'a' }));
  expect(there.LastAccessedDate).toBeInstanceOf(Date);
  expect(ReplicationStatus?.[0]?.LastAccessedDate).toEqual(there.LastAccessedDate);
});

test('every call that would change a replica is refused, and changes nothing', async () => {
  const { service, ireland } = await replicated();
  const before = service.state;
  const SecretId = 'a';
  const refusals = [
    ireland.send(new PutSecretValueCommand({ SecretId, ClientRequestToken: token(2), SecretString: 'v2' })),
    ireland.send(new UpdateSecretVersionStageCommand({ SecretId, VersionStage: 'x', MoveToVersionId: token(1) })),
    ireland.send(new TagResourceCommand({ SecretId, Tags: [{ Key: 'x', Value: 'y' }] })),
    ireland.send(new DeleteSecretCommand({ SecretId })),
    ireland.send(new RotateSecretCommand({ SecretId, ClientRequestToken: token(2), RotationLambdaARN: 'arn' })),
    ireland.send(new PutResourcePolicyCommand({ SecretId, ResourcePolicy: '{"Version":"2012-10-17","Statement":[]}' })),
    ireland.send(new ReplicateSecretToRegionsCommand({ SecretId, AddReplicaRegions: [{ Region: 'eu-central-1' }] })),
    ireland.send(new RemoveRegionsFromReplicationCommand({ SecretId, RemoveReplicaRegions: ['eu-west-1'] })),
  ];
  expect(await Promise.allSettled(refusals)).toMatchObject(
    refusals.map(() => ({ status: 'rejected', reason: NOT_ON_REPLICA })),
  );
  expect(service.state).toBe(before);
});

test('a region lists its own secrets and the replicas in it, and finds them by the region of their primary', async () => {
  const { virginia, ireland, replicaArn } = await replicated();
  await ireland.send(new CreateSecretCommand({ Name: 'b', ClientRequestToken: token(2), SecretString: 'w' }));
  const namesOf = async (client: SecretsManagerClient, primary?: string) => {
    const Filters = primary === undefined ? [] : [{ Key: 'primary-region' as const, Values: [primary] }];
    const { SecretList = [] } = await client.send(new ListSecretsCommand({ Filters }));
    return SecretList.map(({ Name }) => Name).sort();
  };
  expect(await namesOf(virginia)).toEqual(['a']);
  expect(await namesOf(ireland)).toEqual(['a', 'b']);
  expect(await namesOf(ireland, 'us-east-1')).toEqual(['a']);
  expect(await namesOf(ireland, 'eu-west-1')).toEqual(['b']);
  const { SecretList } = await ireland.send(new ListSecretsCommand({}));
  expect(SecretList?.find(({ Name }) => Name === 'a')).toMatchObject({ ARN: replicaArn, PrimaryRegion: 'us-east-1' });
});

test('a primary with replicas cannot be deleted; without them it can', async () => {
  const { virginia, ireland, arn } = await replicated();
  const message = `You can't delete secret ${arn} that still has replica regions [eu-west-1].`;
  for (const ForceDeleteWithoutRecovery of [false, true]) {
    const deletion = virginia.send(new DeleteSecretCommand({ SecretId: 'a', ForceDeleteWithoutRecovery }));
    await expect(deletion).rejects.toMatchObject({ name: 'InvalidParameterException', message });
  }
  const removal = new RemoveRegionsFromReplicationCommand({ SecretId: 'a', RemoveReplicaRegions: ['eu-west-1'] });
  expect(await virginia.send(removal)).toMatchObject({ ARN: arn, ReplicationStatus: [] });
  await expect(ireland.send(new DescribeSecretCommand({ SecretId: 'a' }))).rejects.toThrow(/can't find/);
  await virginia.send(new DeleteSecretCommand({ SecretId: 'a' }));
});

test('a replica that is promoted is a secret of its own, which no longer follows', async () => {
  const { virginia, ireland, replicaArn } = await replicated();
  const { ARN } = await ireland.send(new StopReplicationToReplicaCommand({ SecretId: 'a' }));
  expect(ARN).toBe(replicaArn);
  await virginia.send(new PutSecretValueCommand({ SecretId: 'a', ClientRequestToken: token(2), SecretString: 'v2' }));
  expect(await ireland.send(new GetSecretValueCommand({ SecretId: 'a' }))).toMatchObject({ SecretString: 'v1' });
  await ireland.send(new PutSecretValueCommand({ SecretId: 'a', ClientRequestToken: token(3), SecretString: 'v3' }));
  expect(await virginia.send(new GetSecretValueCommand({ SecretId: 'a' }))).toMatchObject({ SecretString: 'v2' });
  const promoted = await ireland.send(new DescribeSecretCommand({ SecretId: 'a' }));
  expect([promoted.PrimaryRegion, promoted.KmsKeyId]).toEqual([undefined, 'alias/ireland']);
  const again = ireland.send(new StopReplicationToReplicaCommand({ SecretId: 'a' }));
  await expect(again).rejects.toThrow(/not a replica/);
});

test('all versions of a replica are under its own KMS key, however many there are, and stay so after a promotion', async () => {
  const { virginia, ireland } = await replicated();
  for (let n = 2; n <= 200; n += 1) {
    await virginia.send(new PutSecretValueCommand({ SecretId: 'a', ClientRequestToken: token(n), SecretString: 'v' }));
  }
  const listing = new ListSecretVersionIdsCommand({ SecretId: 'a', IncludeDeprecated: true });
  const keysOf = async (client: SecretsManagerClient) =>
    new Set((await client.send(listing)).Versions?.flatMap(({ KmsKeyIds = [] }) => KmsKeyIds));
  expect(await keysOf(virginia)).toEqual(new Set(['alias/virginia']));
  expect(await keysOf(ireland)).toEqual(new Set(['alias/ireland']));
  await ireland.send(new StopReplicationToReplicaCommand({ SecretId: 'a' }));
  expect(await keysOf(ireland)).toEqual(new Set(['alias/ireland']));
});

test('a name that is taken in the other region makes the replication fail, unless it may be overwritten', async () => {
  const { url } = await startService();
  const [virginia, ireland] = [clientIn('us-east-1', url), clientIn('eu-west-1', url)];
  for (const [client, SecretString] of [
    [virginia, 'v'],
    [ireland, 'w'],
  ] as const) {
    await client.send(new CreateSecretCommand({ Name: 'a', ClientRequestToken: token(1), SecretString }));
  }
  const request = { SecretId: 'a', AddReplicaRegions: [{ Region: 'eu-west-1' }] };
  expect(await virginia.send(new ReplicateSecretToRegionsCommand(request))).toMatchObject({
    ReplicationStatus: [
      { Status: 'Failed', StatusMessage: 'Replication failed: Secret name a already exists in region eu-west-1.' },
    ],
  });
  expect(await ireland.send(new GetSecretValueCommand({ SecretId: 'a' }))).toMatchObject({ SecretString: 'w' });
  const overwriting = new ReplicateSecretToRegionsCommand({ ...request, ForceOverwriteReplicaSecret: true });
  expect(await virginia.send(overwriting)).toMatchObject({ ReplicationStatus: [{ Status: 'InProgress' }] });
  expect(await ireland.send(new GetSecretValueCommand({ SecretId: 'a' }))).toMatchObject({ SecretString: 'v' });
});

test.each(['us-east-1', undefined])('a replica in %s is refused', async (Region) => {
  const { client } = await startService();
  const creation = new CreateSecretCommand({
    Name: 'a',
    ClientRequestToken: token(1),
    AddReplicaRegions: [{ Region }],
  });
  await expect(client.send(creation)).rejects.toMatchObject({ message: 'Invalid replica region.' });
});

test('a key ring reads the replica as it reads the primary', async () => {
  const { url } = await startService();
  const [virginia, ireland] = [clientIn('us-east-1', url), clientIn('eu-west-1', url)];
  await virginia.send(
    new CreateSecretCommand({
      Name: 'ring',
      ClientRequestToken: token(1),
      SecretString: Buffer.alloc(32, 7).toString('base64'),
      AddReplicaRegions: [{ Region: 'eu-west-1' }],
    }),
  );
  const label = { SecretId: 'ring', VersionStage: 'key-v1', MoveToVersionId: token(1) };
  await virginia.send(new UpdateSecretVersionStageCommand(label));
  const settings = { keySource: 'aws', environment: 'staging', secretId: 'ring', environmentKey: undefined } as const;
  const openIn = (region: string, client: SecretsManagerClient) =>
    KeyRing.open({ ...settings, region }, { client, logger: () => undefined });
  const rings = [await openIn('us-east-1', virginia), await openIn('eu-west-1', ireland)];
  const row = rings[0]?.encryptField('note', 'a') ?? new Uint8Array();
  expect(await rings[1]?.decryptField(row, 'a')).toBe('note');
  for (const ring of rings) ring.close();
});

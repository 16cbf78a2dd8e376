import { mkdtempSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { GetFunctionConfigurationCommand, LambdaClient } from '@aws-sdk/client-lambda';
import {
  CreateSecretCommand,
  RemoveRegionsFromReplicationCommand,
  ReplicateSecretToRegionsCommand,
  StopReplicationToReplicaCommand,
  type SecretsManagerClient,
} from '@aws-sdk/client-secrets-manager';
import { mockClient } from 'aws-sdk-client-mock';
import type { CheckReport } from '../../../src/cli/doctor/doctor.ts';
import type { Evidence } from '../../../src/cli/evidence/evidence.ts';
import { clientOf, stopServices } from '../../local/support/running-service.ts';
import { SECRET, type TestRing } from '../../support/ring.ts';
import { checkOf, healthyRing } from '../support/examined.ts';
import { endpointOf, giveCredentials, pazpazKeys } from '../support/operator.ts';

/* Replicas as they are: secrets in other regions of one local service, which `doctor` asks over HTTP. */

const lambda = mockClient(LambdaClient);
const clients: SecretsManagerClient[] = [];

beforeAll(giveCredentials);
beforeEach(() => {
  lambda.reset().on(GetFunctionConfigurationCommand).resolves({ FunctionName: 'rotate' });
});
afterEach(async () => {
  for (const client of clients.splice(0)) client.destroy();
  await stopServices();
});
afterAll(() => {
  lambda.restore();
});

async function clientIn(ring: TestRing, region: string): Promise<SecretsManagerClient> {
  const client = clientOf(await endpointOf(ring), 1, region);
  clients.push(client);
  return client;
}

async function replicate(ring: TestRing, ...regions: readonly string[]): Promise<void> {
  const AddReplicaRegions = regions.map((Region) => ({ Region }));
  await ring.client.send(new ReplicateSecretToRegionsCommand({ SecretId: SECRET, AddReplicaRegions }));
}

/** What `doctor` says of replicas, and its exit code. */
async function replicaCheck(ring: TestRing) {
  const environment = { AWS_ENDPOINT_URL_LAMBDA: 'http://lambda.test' };
  const { exitCode, stdout } = await pazpazKeys(ring, ['doctor', '--json'], { environment });
  const { result } = JSON.parse(stdout) as { readonly result: { readonly checks: readonly CheckReport[] } };
  return { exitCode, ...checkOf(result.checks, 'replica-behind') };
}

test('doctor asks each replica in its own region, and is content after a rotation, too', async () => {
  const ring = await healthyRing();
  await replicate(ring, 'eu-west-1', 'ap-southeast-2');
  expect(await replicaCheck(ring)).toMatchObject({ exitCode: 0, outcome: 'fine' });
  await ring.rotate();
  ring.service.calls.clear();
  expect(await replicaCheck(ring)).toMatchObject({ exitCode: 0, outcome: 'fine' });
  expect(ring.service.calls.counts['DescribeSecret']).toBeGreaterThanOrEqual(3);
});

test('doctor finds a replica that failed because the region has another secret of that name', async () => {
  const ring = await healthyRing();
  await (await clientIn(ring, 'eu-west-1')).send(new CreateSecretCommand({ Name: SECRET, SecretString: 'theirs' }));
  await replicate(ring, 'eu-west-1', 'ap-southeast-2');
  const { exitCode, outcome, findings } = await replicaCheck(ring);
  expect({ exitCode, outcome }).toEqual({ exitCode: 1, outcome: 'found' });
  expect(findings.map(({ text }) => text)).toEqual([
    expect.stringContaining('The replica in eu-west-1 lacks key 1, 2, 3'),
  ]);
});

test('doctor finds a failed replica even where that secret has every number', async () => {
  const ring = await healthyRing();
  await replicate(ring, 'eu-west-1');
  await (await clientIn(ring, 'eu-west-1')).send(new StopReplicationToReplicaCommand({ SecretId: SECRET }));
  await replicate(ring, 'eu-west-1');
  const { exitCode, findings } = await replicaCheck(ring);
  expect(exitCode).toBe(1);
  expect(JSON.stringify(findings)).toContain('The replica in eu-west-1 is Failed');
});

test.each([
  ['stops', (ring: TestRing) => clientIn(ring, 'eu-west-1'), new StopReplicationToReplicaCommand({ SecretId: SECRET })],
  [
    'is removed',
    (ring: TestRing) => Promise.resolve(ring.client),
    new RemoveRegionsFromReplicationCommand({ SecretId: SECRET, RemoveReplicaRegions: ['eu-west-1'] }),
  ],
])('doctor expects nothing of a region whose replication %s', async (_how, client, command) => {
  const ring = await healthyRing();
  await replicate(ring, 'eu-west-1');
  await (await client(ring)).send(command as StopReplicationToReplicaCommand);
  await ring.rotate();
  expect(await replicaCheck(ring)).toMatchObject({ exitCode: 0, outcome: 'fine' });
});

test('in the region of a replica status shows its keys, and put says where to go', async () => {
  const ring = await healthyRing();
  await replicate(ring, 'eu-west-1');
  const environment = { AWS_REGION: 'eu-west-1' };
  const { exitCode, stdout } = await pazpazKeys(ring, ['status', '--json'], { environment });
  expect(exitCode).toBe(0);
  expect(stdout).toContain(':eu-west-1:');
  const before = ring.snapshot;
  const refused = await pazpazKeys(ring, ['put', '--generate', '--yes'], { environment });
  expect(refused.exitCode).toBe(1);
  expect(refused.stderr.replaceAll(/\s+/g, ' ')).toContain("Call must be made in primary secret's region");
  expect(ring.snapshot).toBe(before);
});

test('rotate and rollback on a replica lead to the primary, and move nothing', async () => {
  const ring = await healthyRing();
  await replicate(ring, 'eu-west-1');
  const before = ring.snapshot;
  const rotated = await pazpazKeys(ring, ['rotate', '--region', 'eu-west-1']);
  expect(rotated).toMatchObject({
    exitCode: 1,
    stderr: expect.stringContaining('Its primary is in us-east-1') as string,
  });
  const rolledBack = await pazpazKeys(ring, ['rollback', '--yes', '--region', 'eu-west-1']);
  expect(rolledBack.exitCode).toBe(1);
  expect(rolledBack.stderr).toContain('Operation not permitted on a replica secret');
  expect(rolledBack.stderr).not.toContain('Another process is changing the labels');
  expect(ring.snapshot).toBe(before);
});

test('no command says of a replica that rotation is off: its primary rotates', async () => {
  const ring = await healthyRing();
  await replicate(ring, 'eu-west-1');
  const environment = { AWS_REGION: 'eu-west-1', AWS_ENDPOINT_URL_LAMBDA: 'http://lambda.test' };
  const out = join(mkdtempSync(join(tmpdir(), 'replica-')), 'report');
  const { stdout: status } = await pazpazKeys(ring, ['status'], { environment });
  expect(status).toContain('rotation  of the primary, in us-east-1');
  expect(status.replaceAll(/\s+/g, ' ')).toContain('- This is a replica. Its primary in us-east-1 rotates');
  const { stdout: doctor } = await pazpazKeys(ring, ['doctor'], { environment });
  expect(doctor).toContain('ok     the rotation is off, late or stuck: this is a replica');
  const reported = await pazpazKeys(ring, ['evidence', '--no-rows', '--out', out], { environment });
  expect(reported.exitCode).toBe(0);
  const evidence = JSON.parse(readFileSync(join(out, 'evidence.json'), 'utf8')) as Evidence;
  expect(evidence.verdict.notices.map(({ code }) => code)).toContain('replica');
  expect(evidence.settings.find(({ code }) => code === 'rotation')).toMatchObject({ isMet: 'unknown' });
  expect([status, doctor, reported.stdout].join()).not.toMatch(/Rotation is off|rotation {2}off/);
});

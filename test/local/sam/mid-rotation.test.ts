import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { secretToRotate, stepsByHand } from '../../../src/local/sam/mid-rotation.ts';
import { LocalSecretsManager } from '../../../src/local/local-secrets-manager.ts';

const NOW = Date.UTC(2026, 0, 1);
const TOKEN = '11111111-1111-4111-8111-111111111111';
const NEXT_TOKEN = '22222222-2222-4222-8222-222222222222';
const FILES = ['create-secret.json', 'set-secret.json', 'test-secret.json', 'finish-secret.json'];

let folder = '';
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'events-'));
});
let closing: LocalSecretsManager | undefined;
afterEach(async () => {
  await closing?.close();
  await rm(folder, { recursive: true });
});

/** A service with the secret, and what its rotations have told so far. */
function begin(events = folder) {
  const told: { waiting: (readonly string[])[]; rotated: string[]; failed: unknown[] } = {
    ...{ waiting: [], rotated: [], failed: [] },
  };
  let someNews: () => void = () => undefined;
  const tell = () => {
    someNews();
  };
  const service: LocalSecretsManager = new LocalSecretsManager({
    saved: secretToRotate('us-east-1', '123456789012', NOW),
    notices: false,
    retryPause: 0,
    invoke: stepsByHand({
      folder: events,
      state: () => service.state,
      waiting: (files) => {
        told.waiting.push(files);
        tell();
      },
      rotated: (versionId) => told.rotated.push(versionId),
      failed: (error) => told.failed.push(error),
    }),
  });
  closing = service;
  const [arn = ''] = Object.keys(service.state.secrets);
  const rotate = async (token: string) => {
    const waiting = new Promise<void>((resolve) => (someNews = resolve));
    await service.call('RotateSecret', { SecretId: arn, ClientRequestToken: token });
    return waiting;
  };
  /** What the four steps come to. */
  const runSteps = async (token: string) => {
    const { VersionId: current } = await service.call('GetSecretValue', { SecretId: arn });
    await service.call('PutSecretValue', {
      ...{ SecretId: arn, ClientRequestToken: token, SecretString: 'new', VersionStages: ['AWSPENDING'] },
    });
    await service.call('UpdateSecretVersionStage', {
      ...{ SecretId: arn, VersionStage: 'AWSCURRENT', MoveToVersionId: token, RemoveFromVersionId: current },
    });
    await service.idle();
  };
  return { service, arn, told, rotate, runSteps };
}

async function event(file: string): Promise<unknown> {
  return JSON.parse(await readFile(join(folder, file), 'utf8'));
}

test('a rotation waits for its steps, whose events are written to files', async () => {
  const { service, arn, told, rotate } = begin();
  await rotate(TOKEN);
  expect(told.waiting).toEqual([FILES.map((file) => join(folder, file))]);
  expect(await Promise.all(FILES.map(event))).toEqual(
    ['createSecret', 'setSecret', 'testSecret', 'finishSecret'].map((Step) => ({
      ...{ Step, SecretId: arn, ClientRequestToken: TOKEN },
    })),
  );
  expect(service.state.secrets[arn]?.versions[TOKEN]).toMatchObject({ stages: ['AWSPENDING'] });
  expect(service.state.secrets[arn]?.versions[TOKEN]).not.toHaveProperty('value');
});

test('the service ends the rotation when someone has run the steps, and the next one gets fresh events', async () => {
  const { service, arn, told, rotate, runSteps } = begin();
  await rotate(TOKEN);
  await runSteps(TOKEN);
  expect(told.rotated).toEqual([TOKEN]);
  expect(service.state.secrets[arn]?.versions[TOKEN]?.stages).toEqual(['AWSCURRENT']);
  await rotate(NEXT_TOKEN);
  expect(await event('finish-secret.json')).toMatchObject({ ClientRequestToken: NEXT_TOKEN });
});

test('a rotation that is cancelled is waited for no longer', async () => {
  const { service, arn, told, rotate } = begin();
  await rotate(TOKEN);
  await service.call('CancelRotateSecret', { SecretId: arn });
  await service.idle();
  expect(service.history.records).toMatchObject([{ outcome: 'abandoned' }]);
  expect(told.rotated).toEqual([]);
});

test('events that cannot be written are told of', async () => {
  await writeFile(join(folder, 'a-file'), '');
  const { service, arn, told } = begin(join(folder, 'a-file'));
  await service.call('RotateSecret', { SecretId: arn, ClientRequestToken: TOKEN });
  await service.idle();
  expect(told.failed).toHaveLength(3);
  expect(told.failed[0]).toMatchObject({ code: 'EEXIST' });
});

test('the ARN is the same in every run, so that a stale event is known as one', () => {
  const arns = [NOW, NOW + 1].map((now) => Object.keys(secretToRotate('eu-west-1', '210987654321', now).state.secrets));
  expect(arns[0]).toEqual(arns[1]);
});

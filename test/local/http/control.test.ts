import { CreateSecretCommand, RotateSecretCommand } from '@aws-sdk/client-secrets-manager';
import { startService, stopServices, type RunningService } from '../support/running-service.ts';
import { LAMBDA_ARN, SimpleLambda } from '../support/simple-lambda.ts';

afterEach(stopServices);

async function rotating(lambda = new SimpleLambda()): Promise<RunningService> {
  const local = await startService({ lambda: lambda.invoke });
  lambda.worksOn(local.service);
  await local.client.send(new CreateSecretCommand({ Name: 'key', SecretString: 'VALUE-CANARY' }));
  await local.client.send(
    new RotateSecretCommand({
      SecretId: 'key',
      RotationLambdaARN: LAMBDA_ARN,
      RotationRules: { AutomaticallyAfterDays: 365 },
    }),
  );
  return local;
}

async function ask(url: string, method: string, path: string, body?: unknown) {
  const init = body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) };
  const response = await fetch(`${url}/_local/${path}`, { method, ...init });
  return { status: response.status, body: await response.json() };
}

describe('the control path', () => {
  test('waits until nothing runs, and tells what ran', async () => {
    const { url } = await rotating();
    expect((await ask(url, 'GET', 'idle')).status).toBe(200);
    expect((await ask(url, 'GET', 'rotations')).body).toMatchObject({
      rotations: [
        { outcome: 'succeeded', attempts: [{ steps: [1, 2, 3, 4].map(() => expect.any(String) as unknown) }] },
      ],
    });
  });

  test('moves the clock, by a span, to a date and to the next rotation, and rotates on the way', async () => {
    const { url } = await rotating();
    await ask(url, 'GET', 'idle');
    const { body } = await ask(url, 'POST', 'clock', { advance: '400d' });
    const now = Date.parse((body as { now: string }).now);
    expect(now - Date.now()).toBeGreaterThan(399 * 86_400_000);
    expect((await ask(url, 'GET', 'rotations')).body).toMatchObject({ rotations: [{}, { outcome: 'succeeded' }] });
    await ask(url, 'POST', 'clock', { toNextRotationOf: 'key' });
    expect((await ask(url, 'GET', 'rotations')).body).toMatchObject({ rotations: [{}, {}, { outcome: 'succeeded' }] });
    expect((await ask(url, 'POST', 'clock', { to: '2100-01-01T00:00:00Z' })).body).toMatchObject({
      now: expect.stringMatching(/^2100-01-01/) as unknown,
    });
  });

  test('shows secrets, versions and labels, and never a value', async () => {
    const { url } = await rotating();
    await ask(url, 'GET', 'idle');
    const { body } = await ask(url, 'GET', 'state');
    expect(body).toMatchObject({
      secrets: [{ name: 'key', versions: [{ hasValue: true }, { stages: ['AWSCURRENT'] }] }],
    });
    const everything = await Promise.all(['state', 'calls', 'rotations'].map((path) => ask(url, 'GET', path)));
    expect(JSON.stringify(everything)).not.toContain('CANARY');
  });

  test('sets faults, one or several, and forgets them', async () => {
    const { url, client } = await rotating();
    const fault = { operation: 'CreateSecret', kind: 'error', type: 'LimitExceededException' };
    expect((await ask(url, 'POST', 'faults', [fault, { kind: 'delay', milliseconds: 1 }])).body).toEqual({ set: 2 });
    const create = new CreateSecretCommand({ Name: 'other' });
    await expect(client.send(create)).rejects.toMatchObject({ name: 'LimitExceededException' });
    expect((await ask(url, 'DELETE', 'faults')).status).toBe(200);
    await client.send(create);
  });

  test('counts calls, and forgets them', async () => {
    const { url } = await rotating();
    await ask(url, 'GET', 'idle');
    expect((await ask(url, 'GET', 'calls')).body).toMatchObject({ counts: { CreateSecret: 1, PutSecretValue: 1 } });
    await ask(url, 'DELETE', 'calls');
    expect((await ask(url, 'GET', 'calls')).body).toEqual({ counts: {}, calls: [] });
  });

  test('changes the behaviour', async () => {
    const { url, service } = await startService();
    expect((await ask(url, 'POST', 'behaviour', { pendingAfterSuccess: 'left' })).body).toMatchObject({
      pendingAfterSuccess: 'left',
      firstPendingValue: 'becomes-current',
    });
    expect(service.behaviour.pendingAfterSuccess).toBe('left');
    expect((await ask(url, 'GET', 'behaviour')).status).toBe(200);
  });

  test('sends the daily tick, and says if the Lambda failed', async () => {
    const lambda = new SimpleLambda();
    const { url } = await rotating(lambda);
    await ask(url, 'GET', 'idle');
    expect((await ask(url, 'POST', 'tick')).status).toBe(200);
    expect(lambda.events.at(-1)).toMatchObject({ source: 'aws.events' });
  });

  test.each([
    ['POST', 'clock', '{', 400],
    ['POST', 'clock', '5', 400],
    ['POST', 'clock', { advance: 'a year' }, 400],
    ['POST', 'clock', { to: '1999-01-01' }, 400],
    ['POST', 'clock', { to: 'tomorrow' }, 400],
    ['POST', 'clock', { advance: '999999999w' }, 400],
    ['POST', 'clock', { toNextRotationOf: 'nothing' }, 400],
    ['POST', 'clock', {}, 400],
    ['POST', 'faults', { kind: 'x' }, 400],
    ['POST', 'faults', { faults: [], kind: 'drop' }, 400],
    ['POST', 'clock', { advance: '1d', to: '2030-01-01T00:00:00Z' }, 400],
    ['POST', 'behaviour', { gravity: 'off' }, 400],
    ['POST', 'behaviour', { pendingAfterSuccess: 'x' }, 400],
    ['PUT', 'clock', {}, 405],
    ['GET', 'nothing', undefined, 404],
    ['GET', 'constructor', undefined, 404],
  ])('%s %s with %j is refused', async (method, path, body, status) => {
    const { url } = await startService();
    const answer = await ask(url, method, path, body);
    expect(answer.status).toBe(status);
    expect(answer.body).toMatchObject({ error: expect.any(String) as unknown });
  });

  test('is not for web pages', async () => {
    const { url } = await startService();
    const response = await fetch(`${url}/_local/state`, { headers: { origin: 'https://example.com' } });
    expect(response.status).toBe(403);
  });
});

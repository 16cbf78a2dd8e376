import http, { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { once } from 'node:events';
import { lambdaEndpoint, lambdaEndpointCheck } from '../../../src/local/lambda/lambda-endpoint.ts';
import { startLocalService } from '../../../src/local/start.ts';
import { LAMBDA, token } from '../support/state-machine.ts';

interface Seen {
  readonly path: string | undefined;
  readonly type: string | string[] | undefined;
  readonly body: string;
}

async function endpoint(answer: (seen: Seen, response: ServerResponse) => void) {
  const seen: Seen[] = [];
  const server = createServer((request, response) => {
    void (async () => {
      const entry = { path: request.url, type: request.headers['x-amz-invocation-type'], body: await text(request) };
      seen.push(entry);
      answer(entry, response);
    })();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  const port = typeof address === 'object' ? (address?.port ?? 0) : 0;
  closers.push(() => {
    server.close();
    server.closeAllConnections();
  });
  return { url: `http://127.0.0.1:${port}`, seen };
}

async function text(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString();
}

const closers: (() => void)[] = [];
afterEach(() => {
  for (const close of closers.splice(0)) close();
});

function invocation(kind: 'wait' | 'event') {
  return {
    event: { Step: 'createSecret' },
    functionArn: 'arn:aws:lambda:us-east-1:123456789012:function:rotate:live',
    secretArn: 'arn:s',
    kind,
    signal: new AbortController().signal,
  };
}

describe('whether a Lambda behind the Invoke API can be invoked', () => {
  test.each([
    [204, true],
    [200, true],
    // sam local start-lambda knows no dry run.
    [501, true],
    [404, false],
    [403, false],
  ])('is what a dry run says: %i', async (status, expected) => {
    const { url, seen } = await endpoint((_seen, response) => {
      response.statusCode = status;
      response.end();
    });
    expect(await lambdaEndpointCheck({ url })(invocation('wait').functionArn)).toBe(expected);
    expect(seen).toEqual([{ path: '/2015-03-31/functions/rotate/invocations', type: 'DryRun', body: '' }]);
  });

  test('is denied where no Lambda answers', async () => {
    expect(await lambdaEndpointCheck({ url: 'http://127.0.0.1:1' })(invocation('wait').functionArn)).toBe(false);
  });
});

describe('a Lambda behind the Invoke API', () => {
  test('is called by the name in its ARN and waited for', async () => {
    const { url, seen } = await endpoint((_seen, response) => response.end('{"a":1}'));
    expect(await lambdaEndpoint({ url: `${url}/` })(invocation('wait'))).toEqual({ a: 1 });
    expect(seen).toEqual([
      { path: '/2015-03-31/functions/rotate/invocations', type: 'RequestResponse', body: '{"Step":"createSecret"}' },
    ]);
  });

  test('is waited for without a time limit: fetch would stop after five minutes', async () => {
    const asked = jest.spyOn(http, 'request');
    const limits: unknown[] = [];
    const { url } = await endpoint((_seen, response) => {
      const request: unknown = asked.mock.results[0]?.value;
      if (request instanceof http.ClientRequest) limits.push(request.socket?.timeout);
      response.end('{}');
    });
    expect(await lambdaEndpoint({ url })(invocation('wait'))).toEqual({});
    asked.mockRestore();
    expect(limits).toEqual([undefined]);
  });

  test('can have another name there, and answer nothing', async () => {
    const { url, seen } = await endpoint((_seen, response) => response.end());
    expect(await lambdaEndpoint({ url, functionName: 'Other' })(invocation('wait'))).toBeNull();
    expect(seen[0]?.path).toBe('/2015-03-31/functions/Other/invocations');
  });

  test.each([true, false])('fails as its error says (with the error header: %s)', async (withHeader) => {
    const { url } = await endpoint((_seen, response) => {
      if (withHeader) response.setHeader('X-Amz-Function-Error', 'Unhandled');
      response.end('{"errorType":"KeyRingError","errorMessage":"RING_FULL","trace":["a"]}');
    });
    await expect(lambdaEndpoint({ url })(invocation('wait'))).rejects.toMatchObject({
      errorType: 'KeyRingError',
      message: 'RING_FULL',
      trace: ['a'],
    });
  });

  test('is called and waited for where asynchronous invocation is not supported', async () => {
    const { url, seen } = await endpoint((request, response) => {
      response.statusCode = request.type === 'Event' ? 501 : 200;
      response.end('{}');
    });
    await lambdaEndpoint({ url })(invocation('event'));
    expect(seen.map(({ type }) => type)).toEqual(['Event', 'RequestResponse']);
  });

  test('that does not exist, or does not answer, is named', async () => {
    const { url } = await endpoint((_seen, response) => {
      response.statusCode = 404;
      response.end('{"Message":"Function not found"}');
    });
    await expect(lambdaEndpoint({ url })(invocation('wait'))).rejects.toThrow('answered 404: Function not found');
    await expect(lambdaEndpoint({ url: 'http://127.0.0.1:1' })(invocation('wait'))).rejects.toThrow(
      'No Lambda answers at http://127.0.0.1:1',
    );
  });

  test('that stops in the middle of its answer is named', async () => {
    const { url } = await endpoint((_seen, response) => {
      response.write('{', () => response.destroy());
    });
    await expect(lambdaEndpoint({ url })(invocation('wait'))).rejects.toMatchObject({
      errorType: 'Local.Unreachable',
      message: expect.stringContaining(`No Lambda answers at ${url}`) as string,
    });
  });

  test.each([
    ['never answers', () => undefined],
    ['never ends its answer', (response: ServerResponse) => void response.write('{')],
  ])('that %s holds up neither other calls nor the end of the service', async (_what, answer) => {
    const { url } = await endpoint(({ type }, response) => {
      if (type === 'DryRun') response.writeHead(204).end();
      else answer(response);
    });
    const { service, close } = await startLocalService({ lambda: { url } });
    const ClientRequestToken = token(1);
    await service.call('CreateSecret', { Name: 'a', SecretString: '1', ClientRequestToken });
    await service.call('RotateSecret', {
      SecretId: 'a',
      ClientRequestToken: token(2),
      RotationLambdaARN: LAMBDA,
      RotationRules: { AutomaticallyAfterDays: 30 },
    });
    await service.call('PutSecretValue', { SecretId: 'a', SecretString: '2', ClientRequestToken: token(3) });
    expect(await service.call('GetSecretValue', { SecretId: 'a' })).toMatchObject({ SecretString: '2' });
    expect(service.history.records).toMatchObject([{ outcome: 'running' }]);
    await close();
  });
});

import { createServer, type IncomingMessage } from 'node:http';
import { once } from 'node:events';
import { buffer } from 'node:stream/consumers';

/**
 * One address for Secrets Manager in several regions, as AWS is one: each request goes to the service of the region that
 * it was signed for. The region of the secret itself tells of its replicas, which the local service does not do.
 */
export interface FrontDoor {
  readonly url: string;
  readonly close: () => Promise<void>;
}

/** `services`: address by region, that of the secret itself first. */
export async function openFrontDoor(services: Readonly<Record<string, string>>): Promise<FrontDoor> {
  const [primary = '', ...others] = Object.keys(services);
  const server = createServer((request, response) => {
    void forwarded(request).then(async (answer) => {
      const text = await answer.text();
      const isDescription = request.headers['x-amz-target'] === 'secretsmanager.DescribeSecret' && answer.ok;
      response.writeHead(answer.status, { 'content-type': answer.headers.get('content-type') ?? '' });
      response.end(isDescription && regionOf(request) === primary ? withReplicas(text, others) : text);
    });
  });
  const forwarded = async (request: IncomingMessage): Promise<Response> =>
    fetch(services[regionOf(request)] ?? '', {
      method: 'POST',
      body: await buffer(request),
      headers: Object.fromEntries(
        ['content-type', 'x-amz-target', 'authorization'].map((name) => [name, String(request.headers[name])]),
      ),
    });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  return {
    url: `http://127.0.0.1:${port}`,
    close: async () => {
      server.close();
      server.closeAllConnections();
      await once(server, 'close');
    },
  };
}

/** `Credential=AKID/20260101/eu-west-1/secretsmanager/aws4_request`. */
function regionOf({ headers }: IncomingMessage): string {
  return headers.authorization?.split('/')[2] ?? '';
}

function withReplicas(description: string, regions: readonly string[]): string {
  const ReplicationStatus = regions.map((Region) => ({ Region, Status: 'InSync' }));
  return JSON.stringify({ ...(JSON.parse(description) as object), ReplicationStatus });
}

import { createServer, type IncomingMessage } from 'node:http';
import { once } from 'node:events';
import { buffer } from 'node:stream/consumers';

/**
 * One address for Secrets Manager in several regions that need not agree: each request goes to the service of the region
 * that it was signed for. The region of the secret itself tells of its replicas. A service that stands for two regions
 * answers for the first of them only, as a VPC endpoint does.
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
  const forwarded = async (request: IncomingMessage): Promise<Response> => {
    const region = regionOf(request);
    const address = services[region] ?? '';
    const answersFor = Object.keys(services).find((one) => services[one] === address) ?? region;
    const { 'content-type': type, 'x-amz-target': target, authorization } = request.headers;
    return fetch(address, {
      method: 'POST',
      body: await buffer(request),
      headers: {
        'content-type': String(type),
        'x-amz-target': String(target),
        authorization: String(authorization).replace(`/${region}/`, `/${answersFor}/`),
      },
    });
  };
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

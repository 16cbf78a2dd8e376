import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import { text } from 'node:stream/consumers';
import { post } from '../../local/support/running-service.ts';

const servers: Server[] = [];

/** Ends every server of `serverInFrontOf`; for `afterEach`. */
export function closeServersInFront(): void {
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    server.close();
  }
}

/** What stands in the place of an answer; of status 0: nothing, for ever. */
export interface BadAnswer {
  readonly status: number;
  readonly body: string;
}

/** Answers as the service at `url` does, or badly where `badAnswer` gives something for a request. Gives its own URL. */
export async function serverInFrontOf(url: string, badAnswer: () => BadAnswer | undefined): Promise<string> {
  const server = createServer((request, response) => {
    const answer = async () => {
      const sent = await text(request);
      const bad = badAnswer();
      if (bad?.status === 0) return;
      const { status, body } = bad ?? (await goodAnswer(url, sent, String(request.headers['x-amz-target'])));
      response.writeHead(status, { 'Content-Type': 'application/x-amz-json-1.1' });
      response.end(body);
    };
    void answer();
  }).listen(0, '127.0.0.1');
  servers.push(server);
  await once(server, 'listening');
  const address = server.address();
  return `http://127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 0}`;
}

async function goodAnswer(url: string, sent: string, target: string): Promise<BadAnswer> {
  const answer = await post(url, sent, { 'x-amz-target': target });
  return { status: answer.status, body: await answer.text() };
}

import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { AWS_JSON, errorBody, NotAwsJson, readHeaders, readInput } from './aws-json.ts';
import { control, CONTROL_PREFIX } from './control.ts';
import { originRefusal } from './request-origin.ts';
import { messageOf, nameOf } from '../error-message.ts';
import type { JsonObject } from '../json.ts';
import { ConnectionDropped } from '../faults.ts';
import { BodyNotText, BodyTooLarge, readBody } from './request-body.ts';
import { ServiceError } from '../service/service-error.ts';
import type { LocalSecretsManager } from '../local-secrets-manager.ts';

export interface HttpServer {
  readonly url: string;
  readonly port: number;
  /** Answers no further request, ends every connection, and resolves when the port is free. */
  readonly close: () => Promise<void>;
}

/** A secret has 65,536 bytes at most; JSON may spell them with six times as many. */
const BODY_LIMIT = 1_048_576;

/** `port`: 0 for any that is free. `allowedHosts`: more names for `Host`. Throws Node's error if it cannot listen. */
export async function serve(
  service: LocalSecretsManager,
  {
    port,
    host,
    allowedHosts,
  }: { readonly port: number; readonly host: string; readonly allowedHosts: readonly string[] },
): Promise<HttpServer> {
  const names = [host, ...allowedHosts];
  const server = createServer((request, response) => {
    const refusal = originRefusal(request.headers, names);
    if (refusal !== undefined) {
      refuseOrigin(response, refusal);
      return;
    }
    respond(service, request, response).catch(() => {
      request.socket.destroy();
    });
  });
  server.on('clientError', (_error, socket) => {
    if (socket.writable) socket.end('HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n');
    else socket.destroy();
  });
  server.listen(port, host);
  await once(server, 'listening');
  const address = server.address();
  const actualPort = typeof address === 'object' && address !== null ? address.port : port;
  return { url: urlOf(host, actualPort), port: actualPort, close: () => closeServer(server) };
}

async function respond(
  service: LocalSecretsManager,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const requestId = randomUUID();
  response.setHeader('x-amzn-RequestId', requestId);
  response.setHeader('Date', new Date(service.clock.now()).toUTCString());
  const path = request.url?.split('?')[0] ?? '/';
  try {
    if (path.startsWith(CONTROL_PREFIX)) await respondControl(service, path, request, response);
    else await respondAws(service, request, response);
  } catch (error) {
    // Destroying a request that has been read leaves its connection open.
    if (error instanceof ConnectionDropped) request.socket.destroy();
    else if (error instanceof NotAwsJson) send(response, 404, 'application/xml', '<UnknownOperationException/>\n');
    else if (error instanceof BodyTooLarge) refuseBody(request, response);
    else if (error instanceof BodyNotText)
      sendJson(response, 400, { __type: 'SerializationException', error: error.message });
    else if (error instanceof ServiceError) sendJson(response, error.status, errorBody(error));
    else if (!request.complete) request.socket.destroy();
    else
      sendJson(
        response,
        500,
        errorBody(new ServiceError('InternalFailure', `${nameOf(error)}: ${messageOf(error)}`, 500)),
      );
  }
}

async function respondAws(
  service: LocalSecretsManager,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const { operation, caller } = readHeaders(request.method, request.headers);
  const input = readInput(await readBody(request, BODY_LIMIT));
  sendJson(response, 200, await service.call(operation, input, caller));
}

async function respondControl(
  service: LocalSecretsManager,
  path: string,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const { status, body } = await control(service, request.method, path, await readBody(request, BODY_LIMIT));
  send(response, status, 'application/json', `${JSON.stringify(body)}\n`);
}

/** The SDKs read `__type` and `Message`, the control path's callers `error`. */
function refuseOrigin(response: ServerResponse, reason: string): void {
  response.setHeader('Connection', 'close');
  sendJson(response, 403, { __type: 'AccessDeniedException', Message: reason, error: reason });
}

/** How the service answers an excessive body is on no record; its framework has 413 with this type. */
function refuseBody(request: IncomingMessage, response: ServerResponse): void {
  response.setHeader('Connection', 'close');
  response.once('finish', () => request.socket.destroy());
  sendJson(response, 413, { __type: 'RequestEntityTooLargeException' });
}

function sendJson(response: ServerResponse, status: number, body: JsonObject): void {
  send(response, status, AWS_JSON, JSON.stringify(body));
}

function send(response: ServerResponse, status: number, contentType: string, body: string): void {
  if (response.headersSent || response.destroyed) return;
  response.writeHead(status, { 'Content-Type': contentType, 'Content-Length': Buffer.byteLength(body) });
  response.end(body);
}

function urlOf(host: string, port: number): string {
  const reachable = host === '0.0.0.0' || host === '::' ? '127.0.0.1' : host;
  return `http://${reachable.includes(':') ? `[${reachable}]` : reachable}:${port}`;
}

async function closeServer(server: Server): Promise<void> {
  const closed = once(server, 'close');
  server.close();
  server.closeAllConnections();
  await closed;
}

import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, request as forward, type RequestListener, type Server } from 'node:http';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { CreateSecretCommand } from '@aws-sdk/client-secrets-manager';
import { CHROMIUM, inBrowser } from '../../support/chromium.ts';
import { startService, stopServices, type RunningService } from '../support/running-service.ts';
import { token } from '../support/state-machine.ts';

/** A real browser shows pages of an attacker, which try to reach the service. */
const withBrowser = inBrowser('the tests with a web page are left out');

const VALUE = 'the-value-of-the-secret';
const servers: Server[] = [];

afterEach(async () => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    server.close();
  }
  await stopServices();
});

async function listening(listener: RequestListener): Promise<number> {
  const server = createServer(listener);
  servers.push(server);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  return typeof address === 'object' && address !== null ? address.port : 0;
}

async function serviceWithSecret(allowedHosts: readonly string[] = []): Promise<RunningService> {
  const running = await startService({ allowedHosts });
  const value = { Name: 'a', ClientRequestToken: token(1), SecretString: VALUE };
  await running.client.send(new CreateSecretCommand(value));
  running.service.calls.clear();
  return running;
}

/**
 * A page that tries everything that a page can, and writes into itself what came of it: calls as an SDK makes them, calls
 * that need no permission of the browser, the control path, a form, an image.
 */
function attack(target: string): string {
  return `<!doctype html><title>attack</title><pre id="results">not run</pre><iframe name="sink"></iframe>
<form id="form" method="post" enctype="text/plain" target="sink" action="${target}/_local/clock">
  <input name='{"advance":"365d","x":"' value='"}'></form>
<script>
  const results = [];
  const put = JSON.stringify({ SecretId: 'a', SecretString: 'x', ClientRequestToken: '${token(2)}' });
  const signature = 'AWS4-HMAC-SHA256 Credential=k/20260101/us-east-1/secretsmanager/aws4_request, SignedHeaders=host, Signature=0';
  const aws = (operation, body) => ({
    method: 'POST', body,
    headers: { 'content-type': 'application/x-amz-json-1.1', 'x-amz-target': 'secretsmanager.' + operation, authorization: signature },
  });
  const tries = {
    read: ['/', aws('GetSecretValue', '{"SecretId":"a"}')],
    write: ['/', aws('PutSecretValue', put)],
    plain: ['/', { method: 'POST', mode: 'no-cors', body: put, headers: { 'content-type': 'text/plain' } }],
    state: ['/_local/state', {}],
    clock: ['/_local/clock', { method: 'POST', mode: 'no-cors', body: '{"advance":"365d"}' }],
    faults: ['/_local/faults', { method: 'POST', body: '{"kind":"drop"}' }],
  };
  async function run() {
    for (const [name, [path, options]] of Object.entries(tries)) {
      try {
        const answer = await fetch('${target}' + path, options);
        results.push([name, answer.type, answer.status, (await answer.text()).slice(0, 300)]);
      } catch (error) {
        results.push([name, error.name]);
      }
    }
    const image = new Image();
    await new Promise((done) => { image.onload = image.onerror = done; image.src = '${target}/_local/tick'; });
    document.getElementById('form').submit();
    await new Promise((done) => { document.querySelector('iframe').onload = done; setTimeout(done, 2000); });
    document.getElementById('results').textContent = JSON.stringify(results);
  }
  run();
</script>`;
}

type Result = readonly [string, ...(string | number)[]];

async function resultsOf(url: string, ...flags: readonly string[]): Promise<readonly Result[]> {
  const profile = mkdtempSync(join(tmpdir(), 'chromium-'));
  try {
    const { stdout } = await promisify(execFile)(CHROMIUM ?? '', [
      ...['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-sync'],
      ...['--disable-background-networking', '--disable-component-update', `--user-data-dir=${profile}`],
      ...flags,
      ...['--virtual-time-budget=60000', '--dump-dom', url],
    ]);
    const text = /<pre id="results">(.*?)<\/pre>/s.exec(stdout)?.[1]?.replaceAll('&quot;', '"') ?? '';
    return JSON.parse(text) as Result[];
  } finally {
    rmSync(profile, { recursive: true, force: true, maxRetries: 10 });
  }
}

async function isUntouched({ service }: RunningService): Promise<void> {
  await service.idle();
  expect(service.calls.counts).toEqual({});
  expect(service.clock.offset).toBe(0);
  expect(JSON.stringify(service.state)).toContain(VALUE);
  expect(JSON.stringify(service.state)).not.toContain(token(2));
}

withBrowser('a page of another origin can neither read nor change anything', async () => {
  const running = await serviceWithSecret();
  const port = await listening((_, response) =>
    response.setHeader('content-type', 'text/html').end(attack(running.url)),
  );
  const results = await resultsOf(`http://127.0.0.1:${port}/`);
  expect(results.map(([name, outcome]) => [name, outcome])).toEqual([
    ['read', 'TypeError'],
    ['write', 'TypeError'],
    ['plain', 'opaque'],
    ['state', 'TypeError'],
    ['clock', 'opaque'],
    ['faults', 'TypeError'],
  ]);
  expect(JSON.stringify(results)).not.toContain(VALUE);
  await isUntouched(running);
});

/**
 * DNS rebinding: the name of the attacker's page leads to this machine afterwards. To the browser page and service have
 * one origin; only the Host header tells. A proxy stands for the name server here.
 */
async function reboundTo({ port }: RunningService): Promise<{ readonly page: string; readonly flag: string }> {
  const origin = `http://attacker.test:${port}`;
  const proxy = await listening((incoming, response) => {
    const { pathname } = new URL(incoming.url ?? '/', origin);
    if (pathname === '/page') {
      response.setHeader('content-type', 'text/html').end(attack(origin));
      return;
    }
    const options = { host: '127.0.0.1', port, path: pathname, method: incoming.method, headers: incoming.headers };
    incoming.pipe(
      forward(options, (answer) => {
        response.writeHead(answer.statusCode ?? 500, answer.headers);
        answer.pipe(response);
      }),
    );
  });
  return { page: `${origin}/page`, flag: `--proxy-server=http://127.0.0.1:${proxy}` };
}

withBrowser('a page under a name that was rebound to this machine is refused, whatever it sends', async () => {
  const running = await serviceWithSecret();
  const { page, flag } = await reboundTo(running);
  const results = await resultsOf(page, flag);
  expect(results.map(([name, type, status]) => [name, type, status])).toEqual(
    ['read', 'write', 'plain', 'state', 'clock', 'faults'].map((name) => [name, 'basic', 403]),
  );
  expect(JSON.stringify(results)).not.toContain(VALUE);
  await isUntouched(running);
});

withBrowser('the same page reads the secret where its name is allowed: the attack is a real one', async () => {
  const running = await serviceWithSecret(['attacker.test']);
  const { page, flag } = await reboundTo(running);
  const results = await resultsOf(page, flag);
  expect(results.find(([name]) => name === 'state')?.[2]).toBe(200);
});

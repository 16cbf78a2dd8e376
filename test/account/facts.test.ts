import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { text } from 'node:stream/consumers';
import { startService, stopServices } from '../local/support/running-service.ts';

const PAGE = 'docs/aws-behaviour.md';

afterEach(stopServices);

async function runOf(args: readonly string[], environment: NodeJS.ProcessEnv = {}) {
  const child = spawn(process.execPath, ['test/account/run.mjs', ...args], {
    env: {
      PATH: process.env['PATH'],
      AWS_REGION: 'us-east-1',
      AWS_ACCESS_KEY_ID: 'test',
      AWS_SECRET_ACCESS_KEY: 'test',
      AWS_EC2_METADATA_DISABLED: 'true',
      AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED: 'true',
      ...environment,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const closed = once(child, 'close').then(([code]) => code as number);
  const [stdout, stderr, code] = await Promise.all([text(child.stdout), text(child.stderr), closed]);
  return { code, stdout, stderr };
}

interface Result {
  readonly number: number;
  readonly says: string;
  readonly difference?: string;
}

test('every fact holds for the local service, which is left as it was', async () => {
  const { url, service } = await startService();
  const { code, stdout } = await runOf(['--endpoint', url, '--yes', '--json']);
  const { results } = JSON.parse(stdout) as { results: readonly Result[] };
  expect(results.filter(({ difference }) => difference !== undefined)).toEqual([]);
  expect([code, results.length]).toEqual([0, 22]);
  expect(service.state.secrets).toEqual({});
});

test('the page lists the facts with their sources', async () => {
  const { stdout } = await runOf(['--list']);
  const place = /(?<=<!-- made by: [^\n]*-->\n)[^]*?(?=<!-- end -->)/;
  const expected = `\n${stdout}\n`;
  if (process.env['UPDATE_DOCS'] === '1') {
    writeFileSync(
      PAGE,
      readFileSync(PAGE, 'utf8').replace(place, () => expected),
    );
  }
  const unwrapped = (page: string) => page.replaceAll(/\s+/g, ' ').trim();
  expect(unwrapped(place.exec(readFileSync(PAGE, 'utf8'))?.[0] ?? '')).toBe(unwrapped(expected));
});

test('a difference is printed with what was found, and everything is deleted nevertheless', async () => {
  const { url, service } = await startService({ behaviour: { firstPendingValue: 'stays-pending' } });
  const { code, stdout } = await runOf(['--endpoint', url, '--yes']);
  expect(code).toBe(1);
  expect(stdout).toContain('DIFFERS 4. The first value');
  expect(stdout).toContain('found ["AWSPENDING"], expected ["AWSCURRENT","AWSPENDING"]');
  expect(stdout).toContain('21 of 22 facts hold.');
  expect(service.state.secrets).toEqual({});
});

test('without a yes nothing is made; without an answer of the service it says so', async () => {
  const { url, service } = await startService();
  expect(await runOf(['--endpoint', url])).toMatchObject({ code: 2, stdout: '' });
  expect(service.calls.counts).toEqual({ ListSecrets: 1 });
  service.faults.set({ kind: 'error', type: 'UnrecognizedClientException', message: 'The token is invalid.' });
  const refused = await runOf(['--endpoint', url, '--yes']);
  expect(refused.code).toBe(3);
  expect(refused.stderr).toContain('UnrecognizedClientException: The token is invalid.');
});

test('wrong usage gets the help', async () => {
  const { code, stderr } = await runOf(['--nope']);
  expect(code).toBe(2);
  expect(stderr).toContain('npm run test:account');
});

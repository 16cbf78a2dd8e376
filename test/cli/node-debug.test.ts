import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { spellingsOf } from '../format/support/secret-spellings.ts';
import { stopServices } from '../local/support/running-service.ts';
import { builtPrograms } from '../support/built.ts';
import { current, ringWith, SECRET, type TestRing } from '../support/ring.ts';
import { endpointOf } from './support/operator.ts';

afterEach(stopServices);

/** Runs the built tool with a key on standard input; what it prints in both streams. */
async function built(
  ring: TestRing,
  environment: Readonly<Record<string, string>>,
  stdin: string | Buffer,
): Promise<{ exitCode: unknown; printed: string }> {
  const args = ['put', '--yes', '--secret-id', SECRET, '--region', 'us-east-1'];
  const child = spawn(
    process.execPath,
    [join(await builtPrograms(), 'cli/pazpaz-keys.mjs'), ...args, '--endpoint-url', await endpointOf(ring)],
    { env: { AWS_ACCESS_KEY_ID: 'test', AWS_SECRET_ACCESS_KEY: 'test', ...environment } },
  );
  child.stdin.on('error', () => undefined);
  child.stdin.end(stdin);
  const exited = once(child, 'exit');
  const printed = (await Promise.all([text(child.stdout), text(child.stderr)])).join('\n');
  return { exitCode: (await exited)[0], printed };
}

/** A key as bytes and as text, in every way in which either may be printed. */
function everySpelling(key: Buffer): readonly string[] {
  const asText = Buffer.from(key.toString('base64'));
  const parts = [key, asText, asText.subarray(0, 16)];
  return parts.flatMap((bytes) => [...spellingsOf(bytes), bytes.toString('latin1'), inspected(bytes)]);
}

/** As Node prints a buffer. */
function inspected(bytes: Buffer): string {
  return [...bytes.subarray(0, 16)].map((byte) => byte.toString(16).padStart(2, '0')).join(' ');
}

describe('a key on standard input of the built tool', () => {
  test.each(['*', 'stream', 'http,net'])('is not read under NODE_DEBUG=%s', async (NODE_DEBUG) => {
    const ring = await ringWith(current(1));
    const before = ring.snapshot;
    ring.service.calls.clear();
    const key = randomBytes(32);
    const { exitCode, printed } = await built(ring, { NODE_DEBUG }, key.toString('base64'));
    expect(exitCode).toBe(2);
    expect(printed).toContain('NODE_DEBUG must not be set');
    expect(everySpelling(key).filter((spelling) => printed.includes(spelling))).toEqual([]);
    expect(ring.service.calls.calls).toEqual([]);
    expect(ring.snapshot).toBe(before);
  });

  test.each<[string, Readonly<Record<string, string>>]>([
    ['no switch', { NODE_DEBUG: '' }],
    ['NODE_DEBUG_NATIVE', { NODE_DEBUG_NATIVE: 'STREAM,WRITEWRAP,PIPEWRAP,HTTPCLIENTREQUEST,CRYPTO' }],
  ])('is stored, and printed nowhere, with %s', async (_, environment) => {
    const ring = await ringWith(current(1));
    for (const spell of [(key: Buffer) => key, (key: Buffer) => key.toString('base64')]) {
      const key = randomBytes(32);
      const { exitCode, printed } = await built(ring, environment, spell(key));
      expect({ exitCode, printed }).toMatchObject({ exitCode: 0 });
      expect(everySpelling(key).filter((spelling) => printed.includes(spelling))).toEqual([]);
    }
  });
});

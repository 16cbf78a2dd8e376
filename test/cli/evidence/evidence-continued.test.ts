import { createHash, createPublicKey, generateKeyPairSync, sign, verify } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  GetPublicKeyCommand,
  KMSClient,
  KMSServiceException,
  SignCommand,
  VerifyCommand,
  type SignCommandInput,
  type VerifyCommandInput,
} from '@aws-sdk/client-kms';
import { mockClient } from 'aws-sdk-client-mock';
import type { Evidence } from '../../../src/cli/evidence/evidence.ts';
import { stopServices } from '../../local/support/running-service.ts';
import { HOUR } from '../../local/support/state-machine.ts';
import { current, previous, ringWith, type TestRing } from '../../support/ring.ts';
import { asDescribed } from '../support/described.ts';
import { giveCredentials, pazpazKeys, type Ran } from '../support/operator.ts';

/* A report that continues another one, and a series of reports. */

const KEY = 'arn:aws:kms:us-east-1:123456789012:key/signs';
const pair = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const kms = mockClient(KMSClient);

let folder: string;
beforeAll(async () => {
  giveCredentials();
  folder = await mkdtemp(join(tmpdir(), 'continued-'));
});
beforeEach(() => {
  kms.reset();
  const PublicKey = new Uint8Array(pair.publicKey.export({ format: 'der', type: 'spki' }));
  kms.on(GetPublicKeyCommand).resolves({ KeyId: KEY, PublicKey, SigningAlgorithms: ['ECDSA_SHA_256'] });
  kms.on(SignCommand).callsFake(({ Message = new Uint8Array() }: SignCommandInput) => ({
    Signature: sign('sha256', Message, pair.privateKey),
  }));
  kms
    .on(VerifyCommand)
    .callsFake(({ Message = new Uint8Array(), Signature = new Uint8Array() }: VerifyCommandInput) => {
      if (verify('sha256', Message, createPublicKey(pair.privateKey), Signature)) return { SignatureValid: true };
      const name = 'KMSInvalidSignatureException';
      throw new KMSServiceException({ name, $fault: 'client', message: 'no', $metadata: {} });
    });
});
afterEach(stopServices);
afterAll(async () => {
  kms.restore();
  await rm(folder, { recursive: true });
});

let reports = 0;

async function report(ring: TestRing, ...args: readonly string[]): Promise<Ran & { readonly out: string }> {
  const out = join(folder, `report-${(reports += 1)}`);
  const ran = await pazpazKeys(ring, ['evidence', '--no-rows', '--out', out, ...args]);
  await ring.service.advance(HOUR);
  return { ...ran, out };
}

const evidenceIn = async (out: string): Promise<Evidence> =>
  JSON.parse(await readFile(join(out, 'evidence.json'), 'utf8')) as Evidence;

async function someRing(): Promise<TestRing> {
  const ring = await ringWith(1, previous(2), current(3));
  await ring.enableRotation();
  return ring;
}

/** Changes a report so that its checksums fit again, as anyone can. */
async function forge(out: string): Promise<void> {
  const hash = (text: string): string => createHash('sha256').update(text).digest('hex');
  const before = await readFile(join(out, 'evidence.json'), 'utf8');
  const after = before.replace('"free":', '"free" :');
  await writeFile(join(out, 'evidence.json'), after);
  const sums = await readFile(join(out, 'evidence.sha256'), 'utf8');
  await writeFile(join(out, 'evidence.sha256'), sums.replace(hash(before), hash(after)));
}

async function refused(ring: TestRing, ...args: readonly string[]): Promise<string> {
  const { exitCode, stderr, out } = await report(ring, ...args);
  expect([exitCode, await readdir(out)]).toEqual([1, []]);
  expect(stderr).toContain('INVALID_EVIDENCE');
  return stderr.replace(/\s+/g, ' ');
}

describe('--previous checks the signature of the report before', () => {
  test('and the new report says how', async () => {
    const ring = await someRing();
    const first = await report(ring, '--sign-with', KEY);
    const second = await report(ring, '--sign-with', KEY, '--previous', first.out);
    expect(await evidenceIn(second.out)).toMatchObject({
      signedWith: KEY,
      previous: { signature: expect.stringContaining(KEY) as string },
    });
    const unsigned = await report(ring, '--previous', first.out);
    expect(await evidenceIn(unsigned.out)).toMatchObject({ previous: { signature: expect.any(String) as string } });
  });

  test('with a public key, without AWS', async () => {
    const ring = await someRing();
    const first = await report(ring, '--sign-with', KEY);
    const pem = join(folder, 'public.pem');
    await writeFile(pem, pair.publicKey.export({ format: 'pem', type: 'spki' }));
    kms.reset();
    const { out } = await report(ring, '--public-key', pem, '--previous', first.out);
    expect(await evidenceIn(out)).toMatchObject({ previous: { signature: expect.stringContaining(pem) as string } });
  });

  test('and takes none that was changed, with its signature or without', async () => {
    const ring = await someRing();
    const first = await report(ring, '--sign-with', KEY);
    await forge(first.out);
    expect(await refused(ring, '--previous', first.out)).toContain('has not signed');
    await rm(join(first.out, 'evidence.sig.json'));
    expect(await refused(ring, '--previous', first.out)).toContain(`the report says that ${KEY} has signed it`);
  });

  test('and no unsigned one for a report that will be signed', async () => {
    const ring = await someRing();
    const first = await report(ring);
    expect(await refused(ring, '--sign-with', KEY, '--previous', first.out)).toContain('leave --previous out');
    expect((await report(ring, '--previous', first.out)).stderr).toBe('');
  });
});

describe('--verify of several reports', () => {
  async function seriesOf(ring: TestRing, ...folders: readonly string[]): Promise<object> {
    const { stdout } = await pazpazKeys(ring, ['evidence', '--verify', ...folders, '--json']);
    return (asDescribed('evidence', stdout) as { result: { series: object } }).result.series;
  }

  test('names the first and the last, and says whether the series is unbroken', async () => {
    const ring = await someRing();
    const one = await report(ring);
    const two = await report(ring, '--previous', one.out);
    const three = await report(ring, '--previous', two.out);
    expect(await seriesOf(ring, three.out, one.out, two.out)).toEqual({
      isUnbroken: true,
      first: one.out,
      last: three.out,
    });
    expect(await seriesOf(ring, one.out, three.out)).toMatchObject({ isUnbroken: false });
    // A head that was left out is named, and one that was left out at the end cannot be.
    expect(await seriesOf(ring, two.out, three.out)).toMatchObject({
      isUnbroken: true,
      continues: { madeAt: (await evidenceIn(one.out)).madeAt },
    });
    const { stdout } = await pazpazKeys(ring, ['evidence', '--verify', one.out, two.out]);
    expect(stdout.replace(/\s+/g, ' ')).toContain(`An unbroken series from ${one.out} to ${two.out}.`);
    expect(stdout.replace(/\s+/g, ' ')).toContain('Reports after the last one, if any, cannot be seen from these.');
  });

  test('misses the signature of a report that says that it is signed', async () => {
    const ring = await someRing();
    const { out } = await report(ring, '--sign-with', KEY);
    await rm(join(out, 'evidence.sig.json'));
    expect((await pazpazKeys(ring, ['evidence', '--verify', out])).exitCode).toBe(1);
  });
});

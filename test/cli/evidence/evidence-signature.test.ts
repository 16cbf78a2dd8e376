import { constants, generateKeyPairSync, sign, type KeyObject } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  GetPublicKeyCommand,
  KMSClient,
  KMSServiceException,
  SignCommand,
  VerifyCommand,
  type KeySpec,
  type SigningAlgorithmSpec,
} from '@aws-sdk/client-kms';
import { mockClient } from 'aws-sdk-client-mock';
import { checkSignature, signer } from '../../../src/cli/evidence/sign.ts';

const ARN = 'arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab';
const SUMS = `${'a'.repeat(64)}  evidence.json\n`;

const kms = mockClient(KMSClient);
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'signature-'));
});
beforeEach(() => kms.reset());
afterAll(async () => {
  kms.restore();
  await rm(folder, { recursive: true });
});

const PAIRS: readonly (readonly [
  SigningAlgorithmSpec,
  KeySpec,
  { readonly publicKey: KeyObject; readonly privateKey: KeyObject },
])[] = [
  ['RSASSA_PSS_SHA_256', 'RSA_2048', generateKeyPairSync('rsa', { modulusLength: 2048 })],
  ['ECDSA_SHA_256', 'ECC_NIST_P256', generateKeyPairSync('ec', { namedCurve: 'P-256' })],
];

const kmsIn = () => new KMSClient({ region: 'eu-west-1' });
const spki = (key: KeyObject) => new Uint8Array(key.export({ format: 'der', type: 'spki' }));

/** Makes KMS sign `text` with a key pair. */
function keyInKms([algorithm, KeySpec, { publicKey, privateKey }]: (typeof PAIRS)[number], text = SUMS): void {
  // RSA keys have six algorithms.
  const SigningAlgorithms = KeySpec === 'RSA_2048' ? (['RSASSA_PKCS1_V1_5_SHA_256', algorithm] as const) : [algorithm];
  const answer = { KeyId: ARN, KeySpec, KeyUsage: 'SIGN_VERIFY', PublicKey: spki(publicKey) } as const;
  kms.on(GetPublicKeyCommand).resolves({ ...answer, SigningAlgorithms: [...SigningAlgorithms] });
  kms.on(SignCommand).callsFake((input: { Message: Uint8Array; SigningAlgorithm: string }) => {
    expect(input.SigningAlgorithm).toBe(algorithm);
    expect(Buffer.from(input.Message).toString()).toBe(SUMS);
    const padding = KeySpec === 'RSA_2048' ? { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 32 } : {};
    return { Signature: sign('sha256', Buffer.from(text), { key: privateKey, ...padding }) };
  });
}

/** A folder with a signature by this pair, and its public key in a file. */
async function signed(pair: (typeof PAIRS)[number]): Promise<{ readonly out: string; readonly publicKey: string }> {
  keyInKms(pair);
  const out = await mkdtemp(join(folder, 'one-'));
  await writeFile(join(out, 'evidence.sig.json'), await (await signer(ARN, kmsIn))(SUMS));
  const publicKey = join(out, 'public.pem');
  await writeFile(publicKey, pair[2].publicKey.export({ format: 'pem', type: 'spki' }));
  return { out, publicKey };
}

describe.each(PAIRS)('%s', (...pair) => {
  test('verifies with the public key, without a call', async () => {
    const { out, publicKey } = await signed(pair);
    const none = (): never => {
      throw new Error('no one has to ask KMS');
    };
    expect(await checkSignature(out, SUMS, { publicKey }, none)).toMatchObject({ outcome: 'good' });
    expect(await checkSignature(out, `${SUMS} `, { publicKey }, none)).toMatchObject({ outcome: 'bad' });
  });

  test('is bad with the public key of another pair, also of the other algorithm', async () => {
    const { out } = await signed(pair);
    for (const other of [
      generateKeyPairSync('rsa', { modulusLength: 2048 }),
      generateKeyPairSync('ec', { namedCurve: 'P-256' }),
    ]) {
      const publicKey = join(out, 'other.pem');
      await writeFile(publicKey, other.publicKey.export({ format: 'pem', type: 'spki' }));
      expect(await checkSignature(out, SUMS, { publicKey }, kmsIn)).toMatchObject({ outcome: 'bad' });
    }
  });

  test('verifies as KMS says, and must be by the key that the caller names', async () => {
    const { out } = await signed(pair);
    kms.on(VerifyCommand, { KeyId: ARN, MessageType: 'RAW' }).resolves({ SignatureValid: true });
    expect(await checkSignature(out, SUMS, {}, kmsIn)).toMatchObject({ outcome: 'good' });
    expect(await checkSignature(out, SUMS, { keyId: ARN }, kmsIn)).toMatchObject({ outcome: 'good' });
    expect(await checkSignature(out, SUMS, { keyId: `${ARN}0` }, kmsIn)).toMatchObject({ outcome: 'bad' });
  });

  test.each(['alias/evidence', '1234abcd-12ab-34cd-56ef-1234567890ab'])('is by the key %s, too', async (keyId) => {
    const { out } = await signed(pair);
    kms.on(VerifyCommand, { KeyId: ARN }).resolves({ SignatureValid: true });
    expect(await checkSignature(out, SUMS, { keyId }, kmsIn)).toMatchObject({ outcome: 'good' });
    kms.on(GetPublicKeyCommand).resolves({ KeyId: `${ARN}0` });
    const other = keyId.replace('1234abcd', '9999abcd');
    expect(await checkSignature(out, SUMS, { keyId: other }, kmsIn)).toMatchObject({ outcome: 'bad' });
  });

  test('that KMS made of something else is not written', async () => {
    keyInKms(pair, 'another text');
    await expect((await signer(ARN, kmsIn))(SUMS)).rejects.toThrow('does not verify');
  });
});

const refusal = (name: string) => new KMSServiceException({ name, message: 'no', $fault: 'client', $metadata: {} });

test('a signature that KMS finds invalid is bad; a refusal to look is an error', async () => {
  const [pair] = PAIRS;
  if (pair === undefined) throw new Error('no pair');
  const { out } = await signed(pair);
  kms.on(VerifyCommand).rejectsOnce(refusal('KMSInvalidSignatureException')).rejects(refusal('AccessDeniedException'));
  expect(await checkSignature(out, SUMS, {}, kmsIn)).toMatchObject({ outcome: 'bad' });
  await expect(checkSignature(out, SUMS, {}, kmsIn)).rejects.toMatchObject({ code: 'AWS_REFUSED' });
});

test('a report without a signature is bad only where one is demanded', async () => {
  const out = await mkdtemp(join(folder, 'none-'));
  expect(await checkSignature(out, SUMS, {}, kmsIn)).toMatchObject({ outcome: 'not checked' });
  expect(await checkSignature(out, SUMS, { keyId: ARN }, kmsIn)).toMatchObject({ outcome: 'bad' });
  await writeFile(join(out, 'evidence.sig.json'), '{}');
  await expect(checkSignature(out, SUMS, {}, kmsIn)).rejects.toMatchObject({ code: 'INVALID_EVIDENCE' });
});

test('a key that cannot sign with SHA-256 is refused before anything is read', async () => {
  kms
    .on(GetPublicKeyCommand)
    .resolves({ KeyId: ARN, KeySpec: 'ECC_NIST_P521', KeyUsage: 'SIGN_VERIFY', SigningAlgorithms: ['ECDSA_SHA_512'] });
  await expect(signer(ARN, kmsIn)).rejects.toMatchObject({ code: 'INVALID_SETTINGS' });
  kms.on(GetPublicKeyCommand).rejects(refusal('AccessDeniedException'));
  await expect(signer(ARN, kmsIn)).rejects.toMatchObject({ code: 'AWS_REFUSED' });
});

test('the file of a signature can be read without this program', async () => {
  for (const pair of PAIRS) {
    const { out } = await signed(pair);
    const parsed: unknown = JSON.parse(await readFile(join(out, 'evidence.sig.json'), 'utf8'));
    expect(parsed).toEqual({
      format: 'pazpaz-evidence-signature/1',
      signs: 'evidence.sha256',
      keyId: ARN,
      algorithm: pair[0],
      publicKey: pair[2].publicKey.export({ format: 'pem', type: 'spki' }),
      signature: expect.stringMatching(/^[A-Za-z0-9+/]+=*$/) as string,
    });
  }
});

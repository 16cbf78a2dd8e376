import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { json } from 'node:stream/consumers';

/** A KMS with `Encrypt` and `Decrypt`, as far as AWS's reference says: symmetric keys with an encryption context. */
export interface LocalKms {
  /** The calls, by operation and key. */
  readonly calls: readonly string[];
  /** Makes every further call fail with this error of the service. */
  readonly deny: (error: string | undefined) => void;
  /** Makes this key unusable. */
  readonly lose: (keyId: string) => void;
  readonly stop: () => Promise<void>;
}

interface KmsRequest {
  readonly KeyId: string;
  readonly Plaintext?: string;
  readonly CiphertextBlob?: string;
  readonly EncryptionContext?: Readonly<Record<string, string>>;
}

/** Starts it, and makes every client of AWS KMS in this process use it. */
export async function startKms(): Promise<LocalKms> {
  const keys = new Map<string, Buffer>();
  const calls: string[] = [];
  const lost = new Set<string>();
  let error: string | undefined;
  const keyOf = (id: string): Buffer => {
    const key = keys.get(id) ?? randomBytes(32);
    keys.set(id, key);
    return key;
  };
  const server = createServer((request, response) => {
    void answer(request).then(({ status, body }) => {
      response.writeHead(status, { 'Content-Type': 'application/x-amz-json-1.1' }).end(JSON.stringify(body));
    });
  });
  const answer = async (request: IncomingMessage): Promise<{ readonly status: number; readonly body: object }> => {
    const operation = String(request.headers['x-amz-target']).replace('TrentService.', '');
    const asked = (await json(request)) as KmsRequest;
    calls.push(`${operation} ${asked.KeyId}`);
    if (lost.has(asked.KeyId)) return { status: 400, body: { __type: 'NotFoundException', message: 'No key.' } };
    if (error !== undefined) return { status: 400, body: { __type: error, message: 'No.' } };
    try {
      return { status: 200, body: operation === 'Encrypt' ? sealed(asked, keyOf) : opened(asked, keyOf) };
    } catch {
      return { status: 400, body: { __type: 'InvalidCiphertextException' } };
    }
  };
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  process.env['AWS_ENDPOINT_URL_KMS'] = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    calls,
    deny: (name) => {
      error = name;
    },
    lose: (keyId) => lost.add(keyId),
    stop: () => {
      delete process.env['AWS_ENDPOINT_URL_KMS'];
      server.closeAllConnections();
      return new Promise((resolve) =>
        server.close(() => {
          resolve();
        }),
      );
    },
  };
}

type KeyOf = (id: string) => Buffer;

function sealed({ KeyId, Plaintext = '', EncryptionContext }: KmsRequest, keyOf: KeyOf): object {
  const nonce = randomBytes(12);
  const cipher = createCipheriv('aes-256-gcm', keyOf(KeyId), nonce).setAAD(context(EncryptionContext));
  const body = Buffer.concat([cipher.update(Buffer.from(Plaintext, 'base64')), cipher.final()]);
  return { KeyId, CiphertextBlob: Buffer.concat([nonce, body, cipher.getAuthTag()]).toString('base64') };
}

function opened({ KeyId, CiphertextBlob = '', EncryptionContext }: KmsRequest, keyOf: KeyOf): object {
  const blob = Buffer.from(CiphertextBlob, 'base64');
  const decipher = createDecipheriv('aes-256-gcm', keyOf(KeyId), blob.subarray(0, 12), { authTagLength: 16 });
  decipher.setAAD(context(EncryptionContext)).setAuthTag(blob.subarray(-16));
  const text = Buffer.concat([decipher.update(blob.subarray(12, -16)), decipher.final()]);
  return { KeyId, Plaintext: text.toString('base64') };
}

function context(given: KmsRequest['EncryptionContext']): Buffer {
  return Buffer.from(JSON.stringify(Object.entries(given ?? {}).sort()));
}

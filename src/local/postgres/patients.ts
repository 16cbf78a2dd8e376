import { createCipheriv, randomBytes, randomUUID } from 'node:crypto';
import type pg from 'pg';
import { stringMember } from '../json.ts';
import type { LocalSecretsManager } from '../local-secrets-manager.ts';
import { SECRET_NAME } from '../sam/mid-rotation.ts';

/** Of each kind. */
const ROWS = 100;

const TABLE = 'CREATE TABLE patients (id integer PRIMARY KEY, notes bytea)';
const INSERT = 'INSERT INTO patients SELECT * FROM unnest($1::integer[], $2::bytea[])';

/** The guide's secret, rotated once, and rows of older data, under key 1 and key 2, in `patients:{id}:notes`. */
export async function fillPatients(
  service: LocalSecretsManager,
  functionArn: string,
  client: pg.Client,
): Promise<void> {
  const first = randomBytes(32);
  await service.call('CreateSecret', {
    Name: SECRET_NAME,
    ClientRequestToken: randomUUID(),
    SecretString: first.toString('base64'),
  });
  await service.call('RotateSecret', {
    SecretId: SECRET_NAME,
    ClientRequestToken: randomUUID(),
    RotationLambdaARN: functionArn,
    RotationRules: { AutomaticallyAfterDays: 365 },
  });
  await service.idle();
  const second = await currentKey(service);
  const rows = Array.from({ length: 3 * ROWS }, (_, index) => {
    const id = index + 1;
    const context = `patients:${id}:notes`;
    if (id <= ROWS) return { id, row: sealed(first, '', id) };
    return { id, row: id <= 2 * ROWS ? numbered(1, first, context, id) : numbered(2, second, context, id) };
  });
  await client.query(TABLE);
  await client.query(INSERT, [rows.map(({ id }) => id), rows.map(({ row }) => row)]);
}

async function currentKey(service: LocalSecretsManager): Promise<Buffer> {
  const answer = await service.call('GetSecretValue', { SecretId: SECRET_NAME });
  return Buffer.from(stringMember(answer, 'SecretString') ?? '', 'base64');
}

/** A row of docs/format.md. The local service shares no code with what it is used to test. */
function numbered(number: number, key: Buffer, context: string, id: number): Buffer {
  const header = Buffer.of(number);
  return Buffer.concat([header, sealed(key, Buffer.concat([header, Buffer.from(context)]), id)]);
}

function sealed(key: Buffer, additionalData: Buffer | string, id: number): Buffer {
  const nonce = randomBytes(12);
  const cipher = createCipheriv('aes-256-gcm', key, nonce);
  cipher.setAAD(Buffer.from(additionalData));
  const ciphertext = Buffer.concat([cipher.update(`Note of patient ${id}`, 'utf8'), cipher.final()]);
  return Buffer.concat([nonce, ciphertext, cipher.getAuthTag()]);
}

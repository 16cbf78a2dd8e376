import { readFile } from 'node:fs/promises';
import { text } from 'node:stream/consumers';
import { reencrypt } from '../../../../src/postgres/job/reencrypt.ts';
import type { DatabaseAddress } from '../../../../src/postgres/connection/database.ts';
import { RingKeys } from '../../../../src/postgres/all-keys.ts';
import { KEY_STAGES, type Orders } from './process-orders.ts';

/** A process that re-encrypts as it is told on its standard input, and may be killed at any moment. */
async function main(): Promise<void> {
  const { url, passwordFile, specs, keys, options } = JSON.parse(await text(process.stdin)) as Orders;
  const ring = await RingKeys.open(
    {
      describe: () => Promise.resolve({ VersionIdsToStages: KEY_STAGES }),
      read: (versionId) => Promise.resolve({ SecretString: keys[versionId === 'one' ? 0 : 1] }),
      close: () => undefined,
    },
    'a secret',
  );
  const database: DatabaseAddress =
    passwordFile === undefined
      ? { url }
      : { url, credentials: () => Promise.resolve({ password: () => readFile(passwordFile, 'utf8') }) };
  const reports = await reencrypt(database, specs, ring, options);
  process.stdout.write(JSON.stringify(reports));
}

void main();

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { withMaintainedRows } from '../cli/rows/maintained-rows.ts';
import { POSTGRES_PACKAGE, startPostgres } from '../local/postgres/embedded-postgres.ts';
import type { SecretAccess } from './application.ts';
import type { PatientTable } from './patient-table.ts';
import { tableInMemory } from './table-in-memory.ts';

const INSERT = 'INSERT INTO patients SELECT * FROM unnest($1::int[], $2::bytea[])';

/** In PostgreSQL, or in memory where the development packages bring none for this machine. */
export async function createTable(secret: SecretAccess): Promise<PatientTable> {
  if (!existsSync(join(POSTGRES_PACKAGE, 'native', 'bin'))) return tableInMemory(secret);
  const { url, port, client, stop } = await startPostgres(false, { settings: ['shared_buffers=16MB'] });
  await client.query('CREATE TABLE patients (id int PRIMARY KEY, notes bytea)');
  return {
    place: `PostgreSQL on port ${port}`,
    isPostgres: true,
    insert: async (records) => {
      const notes = records.map(({ ciphertext }) => Buffer.from(ciphertext));
      await client.query(INSERT, [records.map(({ id }) => id), notes]);
    },
    ciphertexts: async () => {
      const { rows } = await client.query<{ id: number; notes: Buffer }>('SELECT id, notes FROM patients');
      return new Map(rows.map(({ id, notes }) => [id, notes]));
    },
    maintained: (session, io, work) =>
      withMaintainedRows(
        session,
        {
          // It has no certificate: without this, each connection would ask for TLS first.
          databaseUrl: `${url}?sslmode=disable`,
          table: 'patients',
          column: 'notes',
          context: 'patients:{id}:notes',
          json: true,
          connections: 1,
        },
        io,
        work,
      ),
    close: stop,
  };
}

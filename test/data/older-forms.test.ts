import { oldBox, oldJson, OLD_FORMS } from '../keyring/old-application.ts';
import { Clinic, startPostgres } from './clinic.ts';
import type { Postgres } from './postgres.ts';

/** `ROWS=100000`: as many as the promise names; fewer in an ordinary run. */
const ROWS = Number(process.env['ROWS'] ?? 1024);

let postgres: Postgres;
beforeAll(async () => {
  postgres = await startPostgres();
}, 30_000);
afterAll(() => postgres.stop());

/** A box whose nonce begins with this byte, so that a row looks like every number there is. */
function boxBeginningWith(clinic: Clinic, id: number): Buffer {
  const nonce = Buffer.alloc(12);
  nonce.writeUInt8(id % 256);
  nonce.writeUInt32BE(id, 4);
  return oldBox(`note ${id}`, { key: clinic.world.keyOf(1), nonce });
}

const FORMS: Record<string, { type: string; make: (clinic: Clinic, id: number) => Buffer | string }> = {
  'nonce, ciphertext, tag': { type: 'bytea', make: boxBeginningWith },
  'vN: before the bytes': {
    type: 'bytea',
    make: (clinic, id) => Buffer.concat([Buffer.from('v1:'), boxBeginningWith(clinic, id)]),
  },
  'vN: before base64, in bytes': {
    type: 'bytea',
    make: (clinic, id) => OLD_FORMS['vN: before base64'](`note ${id}`, { key: clinic.world.keyOf(1) }),
  },
  'vN: before base64': {
    type: 'text',
    make: (clinic, id) => `v12:${boxBeginningWith(clinic, id).toString('base64')}`,
  },
  'base64 alone': { type: 'text', make: (clinic, id) => boxBeginningWith(clinic, id).toString('base64') },
  'JSON in a text': {
    type: 'text',
    make: (clinic, id) => JSON.stringify(oldJson(`note ${id}`, { key: clinic.world.keyOf(1) })),
  },
  'a JSON object': {
    type: 'jsonb',
    make: (clinic, id) => JSON.stringify(oldJson(`note ${id}`, { key: clinic.world.keyOf(1) })),
  },
};

describe.each(Object.entries(FORMS))('older data: %s', (_, { type, make }) => {
  it('opens under key 2 after re-encryption, whatever byte it began with', async () => {
    const clinic = await Clinic.withKeys(postgres, 2);
    await clinic.sql('DROP TABLE IF EXISTS patients');
    await clinic.sql(`CREATE TABLE patients (id int PRIMARY KEY, notes ${type})`);
    for (let from = 1; from <= ROWS; from += 10_000) {
      const ids = Array.from({ length: Math.min(10_000, ROWS - from + 1) }, (_, index) => from + index);
      await clinic.sql(`INSERT INTO patients SELECT * FROM unnest($1::int[], $2::${type}[])`, [
        ids,
        ids.map((id) => make(clinic, id)),
      ]);
    }
    const spec = { table: 'patients', column: 'notes', context: 'p:{id}' };
    expect(await clinic.census(spec)).toMatchObject({ numbered: {}, legacy: { 1: ROWS }, unreadable: 0 });
    const report = await clinic.reencrypt(spec);
    expect(report.totals).toMatchObject({ readRows: ROWS, reencrypted: ROWS, left: 0 });
    for (const [id, value] of await clinic.values('patients')) {
      const row = Buffer.isBuffer(value) ? value : Buffer.from(String(value), 'base64');
      expect(row[0]).toBe(2);
      expect(clinic.open(row, 2, `p:${id}`)).toBe(`note ${id}`);
    }
  }, 300_000);
});

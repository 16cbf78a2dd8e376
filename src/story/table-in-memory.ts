import type { MaintainedRows } from '../cli/rows/maintained-rows.ts';
import type { KeyMaterial } from '../format/key-material.ts';
import { numberingLabel, toKeyNumber, type KeyNumber } from '../format/key-number.ts';
import { readVarint } from '../format/varint.ts';
import { decryptField, encryptField } from '../format/field.ts';
import { currentKey, fetchKey, type SecretAccess } from './application.ts';
import { contextOf } from './patient-record.ts';
import type { PatientTable } from './patient-table.ts';

/** Replaces the database on a machine without PostgreSQL. */
export function tableInMemory(secret: SecretAccess): PatientTable {
  const rows = new Map<number, Uint8Array>();
  const target = { number: 0 };
  return {
    place: 'a table in memory',
    isPostgres: false,
    insert: (records) => {
      for (const { id, ciphertext } of records) rows.set(id, ciphertext);
      return Promise.resolve();
    },
    ciphertexts: () => Promise.resolve(new Map(rows)),
    maintained: (_session, _io, work) =>
      work({
        leftByLast: (number) => Promise.resolve(target.number === number ? 0 : undefined),
        reencrypt: () => reencrypt(secret, rows, target),
        census: () => count(secret, rows),
      }),
    close: () => Promise.resolve(),
  };
}

const COLUMN = { relation: 'public.patients', owner: 'story', column: 'notes' };

async function reencrypt(
  secret: SecretAccess,
  rows: Map<number, Uint8Array>,
  target: { number: number },
): ReturnType<MaintainedRows['reencrypt']> {
  const { key, number } = await currentKey(secret);
  const keyOf = keysByNumber(secret);
  let written = 0;
  for (const [id, row] of rows) {
    const from = readVarint(row);
    if (from === number) continue;
    const text = decryptField(row, await keyOf(from ?? 0), contextOf(id), { legacy: false });
    rows.set(id, encryptField(text, key, contextOf(id), { number }));
    written += 1;
  }
  target.number = number;
  return [{ ...COLUMN, keyNumber: number, isFinished: true, rows: written, left: 0 }];
}

/** Opens each row with the key that it names, as the census of a database does. */
async function count(
  secret: SecretAccess,
  rows: ReadonlyMap<number, Uint8Array>,
): ReturnType<MaintainedRows['census']> {
  const keyOf = keysByNumber(secret);
  const rowsByNumber = new Map<KeyNumber, number>();
  let rowsWithNumberZero = 0;
  for (const [id, row] of rows) {
    const number = readVarint(row) ?? 0;
    decryptField(row, await keyOf(number), contextOf(id), { legacy: false });
    if (number === 0) rowsWithNumberZero += 1;
    else rowsByNumber.set(toKeyNumber(number), (rowsByNumber.get(toKeyNumber(number)) ?? 0) + 1);
  }
  const counted = [{ ...COLUMN, rows: rows.size }];
  return { rowsByNumber, rowsWithNumberZero, legacyRows: 0, unattributableRows: 0, isComplete: true, counted };
}

/** Number 0 was written with the first key, before a rotation had numbered it. */
function keysByNumber(secret: SecretAccess): (number: number) => Promise<KeyMaterial> {
  const keys = new Map<number, Promise<KeyMaterial>>();
  return (number) => {
    const VersionStage = numberingLabel(toKeyNumber(number === 0 ? 1 : number));
    const key = keys.get(number) ?? fetchKey(secret, { VersionStage }).then((found) => found.key);
    keys.set(number, key);
    return key;
  };
}

// Column types for Prisma against a real PostgreSQL: a client that Prisma's own generator made, and the built library.
// test/compat/run.mjs calls it with the URL of an empty database, in a project that has prisma, its client and adapter.
import assert from 'node:assert/strict';
import { PrismaPg } from '@prisma/adapter-pg';
import { KeyRing, TestKeys, isKeyRotationError } from 'pazpaz-key-rotation';
import { encryptedBytes, encryptedFields, encryptedJson, encryptedText } from 'pazpaz-key-rotation/prisma';
import pg from 'pg';
import { Prisma, PrismaClient } from './generated/client.ts';

const [, , url] = process.argv;
const sql = new pg.Client({ connectionString: url });
await sql.connect();
await sql.query(`
  CREATE TABLE patients (id int PRIMARY KEY, email text UNIQUE, notes text, scan bytea, allergies jsonb);
  CREATE TABLE visits (id serial PRIMARY KEY, patient_id int NOT NULL REFERENCES patients, summary text)`);

const keys = new TestKeys();
let ring = await KeyRing.forTest(keys);
await ring.warm();
const column = (context, storage) => ({ ring: () => ring, context, storage });
const extension = encryptedFields({
  Patient: {
    notes: encryptedText(column('patients:{id}:notes', 'text')),
    scan: encryptedBytes(column('patients:{id}:scan', 'bytea')),
    allergies: encryptedJson(column('patients:{id}:allergies', 'jsonb')),
  },
  Visit: { summary: encryptedText(column('visits.summary', 'text')) },
});
const plain = new PrismaClient({ adapter: new PrismaPg({ connectionString: url }) });
const prisma = plain.$extends(extension);
const refused = (query, words) =>
  assert.rejects(query, (error) => {
    assert.equal(isKeyRotationError(error, 'INVALID_COLUMN'), true, String(error));
    assert.match(error.message, words);
    return true;
  });

// Written encrypted, read through a rotation.
await prisma.patient.create({
  data: { id: 1, notes: 'Patient has diabetes', scan: Buffer.of(0, 255), allergies: { pollen: true } },
});
keys.rotate();
await ring.refresh();
await ring.warm();
await prisma.patient.createMany({
  data: [
    { id: 2, notes: 'two' },
    { id: 3, notes: null },
  ],
});
const [one, two, three] = await prisma.patient.findMany({ orderBy: { id: 'asc' } });
assert.deepEqual([one.notes, [...one.scan], one.allergies], ['Patient has diabetes', [0, 255], { pollen: true }]);
assert.deepEqual([two.notes, three.notes, three.scan], ['two', null, null]);
const stored = await sql.query(
  "SELECT string_agg(concat(notes, encode(scan, 'escape'), allergies), ' ') AS all FROM patients",
);
assert.doesNotMatch(stored.rows[0].all, /diabetes|two|pollen/);

// A partial select fetches what the context needs; relations are decrypted, too.
assert.deepEqual(
  { ...(await prisma.patient.findFirst({ where: { id: 1 }, select: { notes: true } })) }.notes,
  'Patient has diabetes',
);
await prisma.visit.create({ data: { patientId: 1, summary: 'first visit' } });
const withVisits = await prisma.patient.findUnique({ where: { id: 1 }, include: { visits: true } });
assert.equal(withVisits.visits[0].summary, 'first visit');
assert.equal((await prisma.visit.findFirst({ include: { patient: true } })).patient.notes, 'Patient has diabetes');

// NULL of a Json field, and a document that looks like an operation.
await prisma.patient.update({ where: { id: 1 }, data: { allergies: Prisma.DbNull } });
assert.equal((await sql.query('SELECT allergies FROM patients WHERE id = 1')).rows[0].allergies, null);
assert.equal(await prisma.patient.count({ where: { id: 1, allergies: { equals: Prisma.DbNull } } }), 1);
await prisma.patient.update({ where: { id: 1 }, data: { allergies: { set: 5 } } });
assert.deepEqual((await prisma.patient.findUnique({ where: { id: 1 } })).allergies, { set: 5 });

// Updates.
await prisma.patient.update({ where: { id: 2 }, data: { notes: 'changed' } });
await prisma.patient.update({ where: { id: 3 }, data: { notes: { set: 'three' } } });
await prisma.patient.upsert({ where: { id: 4 }, create: { id: 4, notes: 'made' }, update: { notes: 'unused' } });
await prisma.patient.upsert({ where: { id: 4 }, create: { id: 4, notes: 'unused' }, update: { notes: 'met' } });
assert.deepEqual(
  (await prisma.patient.findMany({ orderBy: { id: 'asc' } })).slice(1).map(({ notes }) => notes),
  ['changed', 'three', 'met'],
);
await prisma.visit.updateMany({ data: { summary: 'all alike' } });
assert.equal((await prisma.visit.findFirst()).summary, 'all alike');
assert.equal(await prisma.patient.count({ where: { scan: null } }), 3);
await prisma.$transaction(async (inside) => inside.patient.update({ where: { id: 2 }, data: { notes: 'inside' } }));
assert.equal((await prisma.patient.findUnique({ where: { id: 2 } })).notes, 'inside');

// Refused with words, before anything is sent.
await refused(prisma.patient.updateMany({ data: { notes: 'same' } }), /Update one row/);
await refused(prisma.patient.update({ where: { email: 'a@example.com' }, data: { notes: 'x' } }), /Update one row/);
await refused(prisma.patient.update({ where: { id: 1 }, data: { id: 9 } }), /would change/);
await refused(prisma.patient.create({ data: { email: 'x', notes: 'x' } }), /make the key first/);
await refused(prisma.patient.findMany({ where: { notes: 'two' } }), /ciphertext/);
await refused(prisma.patient.findMany({ where: { OR: [{ notes: { contains: 'two' } }] } }), /ciphertext/);
await refused(prisma.patient.findMany({ orderBy: { notes: 'asc' } }), /ciphertext/);
await refused(prisma.patient.findMany({ distinct: ['notes'] }), /ciphertext/);
await refused(prisma.visit.create({ data: { patient: { create: { id: 9, notes: 'plain' } } } }), /nested write/);
await assert.rejects(prisma.patient.create({ data: { id: 8, notes: 5 } }), /takes a string/);
assert.equal((await sql.query('SELECT 1 FROM patients')).rowCount, 4);

// Older data, a row that names itself, and a ring that lacks the key.
await sql.query('UPDATE patients SET notes = (SELECT notes FROM patients WHERE id = 1) WHERE id = 2');
const moved = await prisma.patient.findUnique({ where: { id: 2 } });
assert.throws(
  () => moved.notes,
  (error) => error.code === 'TAMPERED_OR_WRONG_CONTEXT' && error.context === 'patients:2:notes',
);
ring.close();
ring = await KeyRing.forTest(keys);
const cold = await prisma.patient.findUnique({ where: { id: 1 } });
assert.throws(
  () => cold.notes,
  (error) => error.code === 'KEY_UNAVAILABLE',
);
await ring.warm();
assert.equal((await prisma.patient.findUnique({ where: { id: 1 } })).notes, 'Patient has diabetes');
ring.close();
await plain.$disconnect();
await sql.end();
console.log('prisma: every case');

import { createSecretKey, randomBytes } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { pathToFileURL } from 'node:url';
import { drizzle } from 'drizzle-orm/node-postgres';
import { customType, integer, pgTable } from 'drizzle-orm/pg-core';
import { Kysely, PostgresDialect } from 'kysely';
import pg from 'pg';
import { DataSource, EntitySchema } from 'typeorm';
import { buildProgram } from '../build/program.mjs';
import { KeyRing, TestKeys } from '../dist/library/esm/index.js';
import * as forDrizzle from '../dist/library/esm/columns/drizzle.js';
import * as forKysely from '../dist/library/esm/columns/kysely.js';
import * as forTypeorm from '../dist/library/esm/columns/typeorm.js';
import { bareRows } from './contestants.mjs';
import { processorTime, ratios } from './ratios.mjs';

/*
 * Reading 1,000 rows, and writing 100, through an encrypted column of each library: beside the same library with a plain
 * column, whose values the program decrypts or encrypts itself with node:crypto, in the same layout and bound to the same
 * context. Ratios of one run: 1.0 is as fast. `npm run bench -- --only columns` builds first. Ends with 1 if reading
 * takes more than the target allows.
 */

const ROWS = 1000;
const WRITTEN = 100;
const TARGET = 0.9;
/** A round is a few reads long: in one alone, garbage of the other side may be collected, or none. */
const ROUNDS = { rounds: 121, milliseconds: 16 };
const isJson = process.argv.includes('--json');
const lines = [];

const bare = bareRows(createSecretKey(randomBytes(32)), 1);
const text = 'x'.repeat(200);
const JSON_VALUE = { notes: 'x'.repeat(180), n: 7 };
const asIs = (value) => value;
const fromBase64 = (cell) => Buffer.from(cell, 'base64');
const toBase64 = (row) => row.toString('base64');
const KINDS = {
  'text in bytea': { make: 'encryptedText', storage: 'bytea', value: text, seal: bare.encrypt, open: bare.decrypt },
  'text in text': {
    ...{ make: 'encryptedText', storage: 'text', value: text },
    seal: (value, bound) => toBase64(bare.encrypt(value, bound)),
    open: (cell, bound) => bare.decrypt(fromBase64(cell), bound),
  },
  'JSON in jsonb': {
    ...{ make: 'encryptedJson', storage: 'jsonb', value: JSON_VALUE },
    seal: (value, bound) => toBase64(bare.encrypt(JSON.stringify(value), bound)),
    open: (cell, bound) => JSON.parse(bare.decrypt(fromBase64(cell), bound)),
  },
};

/** What binds a row of the plain tables, as the library's own context does: one for the column, or one for each row. */
const boundToColumn = Buffer.from('\x01plain.value');
const BOUND = {
  Drizzle: () => boundToColumn,
  Kysely: ({ id }) => Buffer.from(`\x01plain:${id}:value`),
  TypeORM: () => boundToColumn,
};

const keys = new TestKeys();
const ring = await KeyRing.forTest(keys);
await ring.warm();

/** Each opens a table `name` with a column `value`: plain if `make` is undefined. */
const LIBRARIES = {
  Drizzle(url, name, { make, storage }) {
    const db = drizzle(url);
    const plain = customType({
      dataType: () => storage,
      toDriver: storage === 'jsonb' ? (value) => JSON.stringify(value) : asIs,
    });
    const value =
      make === undefined ? plain('value') : forDrizzle[make]('value', { ring, context: `${name}.value`, storage });
    const table = pgTable(name, { id: integer('id'), value });
    return {
      write: (rows) => db.insert(table).values(rows),
      read: () => db.select().from(table).then(asIs),
      close: () => db.$client.end(),
    };
  },
  Kysely(url, name, { make, storage }) {
    const column = make && forKysely[make]({ ring, context: `${name}:{id}:value`, storage });
    const db = new Kysely({
      dialect: new PostgresDialect({ pool: new pg.Pool({ connectionString: url }) }),
      plugins: column === undefined ? [] : [new forKysely.EncryptedColumns({ [name]: { value: column } })],
    });
    const asParameter = (row) => (storage === 'jsonb' ? { ...row, value: JSON.stringify(row.value) } : row);
    return {
      write: (rows) =>
        db
          .insertInto(name)
          .values(column === undefined ? rows.map(asParameter) : rows)
          .execute(),
      read: () => db.selectFrom(name).selectAll().execute(),
      close: () => db.destroy(),
    };
  },
  async TypeORM(url, name, { make, storage }) {
    const value =
      make === undefined ? { type: storage } : forTypeorm[make]({ ring, context: `${name}.value`, storage });
    const entity = new EntitySchema({ name, columns: { id: { type: 'int', primary: true }, value } });
    const source = await new DataSource({ type: 'postgres', url, entities: [entity] }).initialize();
    const table = source.getRepository(entity);
    return { write: (rows) => table.insert(rows), read: () => table.find(), close: () => source.destroy() };
  },
};

const { folder, file } = await buildProgram('bench', 'src/local/postgres/embedded-postgres.ts');
const { startPostgres } = await import(pathToFileURL(file).href);
const postgres = await startPostgres();
try {
  if (!isJson) console.log(`Node ${process.version}. Each line: our column, and how many times as fast as its like.`);
  for (const [library, open] of Object.entries(LIBRARIES))
    for (const [kind, about] of Object.entries(KINDS)) await compare(library, open, kind, about);
} finally {
  await postgres.stop();
  await rm(folder, { recursive: true });
}
ring.close();
if (isJson) console.log(JSON.stringify({ node: process.version, arch: process.arch, lines }, undefined, 2));
process.exitCode = lines.every(({ isMet }) => isMet) ? 0 : 1;

async function compare(library, open, kind, { make, storage, value, seal, open: openCell }) {
  const { client, url } = postgres;
  for (const name of ['ours', 'plain', 'ours_w', 'plain_w'])
    await client.query(`DROP TABLE IF EXISTS ${name}; CREATE TABLE ${name} (id int, value ${storage})`);
  const tables = {};
  for (const name of ['ours', 'ours_w']) tables[name] = await open(url, name, { make, storage });
  for (const name of ['plain', 'plain_w']) tables[name] = await open(url, name, { storage });
  const boundTo = BOUND[library];
  const sealed = (row) => ({ ...row, value: seal(row.value, boundTo(row)) });
  const rows = Array.from({ length: ROWS }, (_, id) => ({ id, value }));
  await tables.ours.write(rows);
  await tables.plain.write(rows.map(sealed));
  const readPlain = async () => {
    const found = await tables.plain.read();
    for (const row of found) row.value = openCell(row.value, boundTo(row));
    return found;
  };
  await line(`${library}, ${kind}: read ${ROWS}`, () => tables.ours.read(), readPlain, TARGET);
  let id = 0;
  // TypeORM's entities need a key of their own.
  const fresh = (of) => Array.from({ length: WRITTEN }, () => of({ id: (id += 1), value }));
  await line(
    `${library}, ${kind}: write ${WRITTEN}`,
    () => tables.ours_w.write(fresh(asIs)).then(asIs),
    () => tables.plain_w.write(fresh(sealed)).then(asIs),
  );
  for (const table of Object.values(tables)) await table.close();
}

async function line(what, ours, theirs, target) {
  const measured = await ratios(ours, theirs, processorTime, ROUNDS);
  const isMet = target === undefined || measured.ratio >= target;
  lines.push({ what, ...measured, target, isMet });
  if (isJson) return;
  const times = [measured.oursNanoseconds, measured.theirsNanoseconds].map((time) => `${(time / 1e6).toFixed(2)} ms`);
  const aim = target === undefined ? '' : `  ${isMet ? 'met' : 'MISSED'}: at least ${target.toFixed(2)}`;
  const [ratio, ...spread] = [measured.ratio, ...measured.spread].map((one) => one.toFixed(2));
  console.log(`${what.padEnd(40)} ${ratio} (${spread.join(' to ')})  ${times.join(' against ')}${aim}`);
}

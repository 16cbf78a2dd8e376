import { createSecretKey, randomBytes } from 'node:crypto';
import { drizzle } from 'drizzle-orm/node-postgres';
import { customType, integer, pgTable } from 'drizzle-orm/pg-core';
import { Kysely, PostgresDialect } from 'kysely';
import pg from 'pg';
import { DataSource, EntitySchema } from 'typeorm';
import { KeyRing, TestKeys } from '../dist/library/esm/index.js';
import * as forDrizzle from '../dist/library/esm/columns/drizzle.js';
import * as forKysely from '../dist/library/esm/columns/kysely.js';
import * as forTypeorm from '../dist/library/esm/columns/typeorm.js';
import { bareRows } from './contestants.mjs';
import { processorTime, turnOf } from './ratios.mjs';

/*
 * One side of bench/columns.mjs, in a process of its own: encrypted columns ('ours'), or plain ones whose values the
 * program encrypts and decrypts itself ('plain'). Its parent names a library and a kind of column, and then asks for one
 * turn after the other.
 */

const ROWS = 1000;
const WRITTEN = 100;
const MILLISECONDS = 20;
const [, , side, table, url] = process.argv;

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

const ring = await KeyRing.forTest(new TestKeys());
await ring.warm();

/** Each opens a table `name` with a column `value`: plain if `make` is undefined. */
const LIBRARIES = {
  Drizzle(name, { make, storage }) {
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
  Kysely(name, { make, storage }) {
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
  async TypeORM(name, { make, storage }) {
    const value =
      make === undefined ? { type: storage } : forTypeorm[make]({ ring, context: `${name}.value`, storage });
    const entity = new EntitySchema({ name, columns: { id: { type: 'int', primary: true }, value } });
    const source = await new DataSource({ type: 'postgres', url, entities: [entity] }).initialize();
    const table = source.getRepository(entity);
    return { write: (rows) => table.insert(rows), read: () => table.find(), close: () => source.destroy() };
  },
};

/** A read and a write of one library and one kind of column. */
async function open(library, kind) {
  const { make, storage, value, seal, open: openCell } = KINDS[kind];
  const about = side === 'ours' ? { make, storage } : { storage };
  const client = new pg.Client(url);
  await client.connect();
  for (const name of [table, `${table}_w`])
    await client.query(`DROP TABLE IF EXISTS ${name}; CREATE TABLE ${name} (id int, value ${storage})`);
  await client.end();
  const tables = [await LIBRARIES[library](table, about), await LIBRARIES[library](`${table}_w`, about)];
  const boundTo = BOUND[library];
  const toWrite = side === 'ours' ? asIs : (row) => ({ ...row, value: seal(row.value, boundTo(row)) });
  await tables[0].write(Array.from({ length: ROWS }, (_, id) => toWrite({ id, value })));
  const readPlain = async () => {
    const found = await tables[0].read();
    for (const row of found) row.value = openCell(row.value, boundTo(row));
    return found;
  };
  // TypeORM's entities need a key of their own.
  let id = 0;
  const fresh = () => Array.from({ length: WRITTEN }, () => toWrite({ id: (id += 1), value }));
  return {
    read: side === 'ours' ? () => tables[0].read() : readPlain,
    write: () => tables[1].write(fresh()).then(asIs),
    close: () => Promise.all(tables.map((table) => table.close())),
  };
}

let opened;
let turn;
const ANSWERS = {
  open: async ({ library, kind }) => {
    await opened?.close();
    opened = await open(library, kind);
    return true;
  },
  begin: async ({ what }) => {
    turn = await turnOf(opened[what], processorTime, MILLISECONDS);
    return true;
  },
  turn: () => turn(),
};
process.on('message', async ({ question, ...about }) => process.send(await ANSWERS[question](about)));

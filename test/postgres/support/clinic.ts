import type { ColumnSpec } from '../../../src/postgres/catalog/column.ts';
import { census, type ColumnCensus } from '../../../src/postgres/census.ts';
import { reencrypt, type ReencryptOptions, type ReencryptReport } from '../../../src/postgres/job/reencrypt.ts';
import { RingKeys } from '../../../src/postgres/all-keys.ts';
import { decryptField, encryptField } from '../../../src/format/field.ts';
import { toKeyNumber } from '../../../src/format/key-number.ts';
import { RingWorld, SECRET } from '../../keyring/support/ring-world.ts';
import { startPostgres, type Postgres } from './postgres.ts';

/** A value for a column, or `null` for NULL. */
export type Value = Uint8Array | string | null;

/** A database and the ring that its columns are encrypted with. */
export class Clinic {
  readonly postgres: Postgres;
  readonly world: RingWorld;
  readonly keys: RingKeys;
  readonly #tables = new Set<string>();

  private constructor(postgres: Postgres, world: RingWorld, keys: RingKeys) {
    this.postgres = postgres;
    this.world = world;
    this.keys = keys;
  }

  /** A clinic whose ring has so many keys; the last one is current. */
  static async withKeys(postgres: Postgres, count: number): Promise<Clinic> {
    const world = await RingWorld.withKeys(count);
    return new Clinic(postgres, world, await RingKeys.open(world.source(), SECRET, world.clock));
  }

  /** A text under a key of the ring; `number` 0: as where the writer did not know it, with key 1. */
  row(text: string, number: number, context = ''): Buffer {
    const key = this.world.keyOf(number === 0 ? 1 : number);
    return encryptField(text, key, context, { number: number === 0 ? 0 : toKeyNumber(number) });
  }

  open(row: Uint8Array, number: number, context = ''): string {
    return decryptField(row, this.world.keyOf(number), context, { legacy: false });
  }

  /** A table `id, <column>` of these values, whose ids count from 1. */
  async table(name: string, type: string, values: readonly Value[], column = 'notes'): Promise<void> {
    await this.sql(`DROP TABLE IF EXISTS ${name} CASCADE`);
    await this.sql(`CREATE TABLE ${name} (id int PRIMARY KEY, ${column} ${type})`);
    for (const [index, value] of values.entries()) {
      await this.sql(`INSERT INTO ${name} VALUES ($1, $2)`, [
        index + 1,
        value === null ? null : Buffer.isBuffer(value) ? value : value,
      ]);
    }
    this.#tables.add(name);
  }

  async sql<R extends object = Record<string, unknown>>(text: string, values: unknown[] = []): Promise<R[]> {
    return (await this.postgres.client.query<R>(text, values)).rows;
  }

  /** The values of a column by id. */
  async values(name: string, column = 'notes'): Promise<Map<number, unknown>> {
    const rows = await this.sql<{ id: number; value: unknown }>(
      `SELECT id, ${column} AS value FROM ${name} ORDER BY id`,
    );
    return new Map(rows.map(({ id, value }) => [id, value]));
  }

  async census(...specs: readonly ColumnSpec[]): Promise<ColumnCensus> {
    return only(await census(this.postgres, specs, this.keys));
  }

  async reencrypt(spec: ColumnSpec, options: ReencryptOptions = {}): Promise<ReencryptReport> {
    return only(await reencrypt(this.postgres, [spec], this.keys, options));
  }
}

export { startPostgres };

function only<T>(values: readonly T[]): T {
  const [value] = values;
  if (value === undefined) throw new Error('Nothing was reported');
  return value;
}

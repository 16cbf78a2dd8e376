import pg from 'pg';
import { KeyRotationError } from '../format/error.ts';
import { databaseError } from './database-error.ts';

/** A value in a text of SQL: bytes go over in binary, everything else as PostgreSQL spells it. */
export type Parameter = string | number | boolean | null | Uint8Array;

/** A row of the answer: each value as PostgreSQL spells it in text, `null` for NULL. */
export type Cells = readonly (string | null)[];

/** Where the database is and how to get in: a `postgres://` URL, or nothing for the `PG…` variables of the environment. */
export interface DatabaseAddress {
  readonly url?: string | undefined;
}

/**
 * Values have to come back as they went, whatever the server's defaults are: keys are kept as text in the job's tables,
 * and another session reads them there. Row security off: a policy that would hide rows from us is an error instead.
 * The time limit frees the rows of a process whose machine vanished without closing its connection. A limit that a role
 * has for the application's statements is not meant for a batch. Beyond READ COMMITTED a row that the application changes
 * meanwhile would break a whole batch off, instead of being left to it.
 */
const SESSION_SETTINGS = [
  "SET client_encoding = 'UTF8'",
  "SET DateStyle = 'ISO, YMD'",
  "SET IntervalStyle = 'iso_8601'",
  "SET TimeZone = 'UTC'",
  'SET extra_float_digits = 3',
  "SET bytea_output = 'hex'",
  'SET row_security = off',
  "SET idle_in_transaction_session_timeout = '60s'",
  'SET statement_timeout = 0',
  "SET default_transaction_isolation = 'read committed'",
].join(';');

/** Leaves every value as the text that came: the few that are bytes or numbers are read where they are used. */
const AS_TEXT = { getTypeParser: () => (value: string) => value };

/** One connection to PostgreSQL. Errors come as `databaseError` says. */
export class Connection {
  readonly #client: pg.Client;

  private constructor(client: pg.Client) {
    this.#client = client;
    // A lost connection is also told to whoever waits for an answer; without a listener it would end the process.
    client.on('error', () => undefined);
  }

  /** Connects. Rejects with `CANNOT_REACH_DATABASE`, `DATABASE_REFUSED`, or `INVALID_SETTINGS` for no URL. */
  static async open({ url }: DatabaseAddress): Promise<Connection> {
    const client = clientFor(url);
    const session = new Connection(client);
    try {
      await client.connect();
      await client.query(SESSION_SETTINGS);
    } catch (error) {
      await session.close();
      throw databaseError(error);
    }
    return session;
  }

  /** Runs one statement; gives its rows. `name`: prepared under it, once for this connection. */
  async rows(text: string, values: readonly Parameter[] = [], name?: string): Promise<readonly Cells[]> {
    return (await this.#query(text, values, name)).rows;
  }

  /** Runs one statement; gives how many rows it changed. */
  async change(text: string, values: readonly Parameter[] = [], name?: string): Promise<number> {
    return (await this.#query(text, values, name)).rowCount ?? 0;
  }

  /** Runs `work` in a transaction: committed if it resolves, rolled back if it rejects. */
  async transaction<T>(work: () => Promise<T>, mode = ''): Promise<T> {
    await this.change(`BEGIN ${mode}`);
    try {
      const result = await work();
      await this.change('COMMIT');
      return result;
    } catch (error) {
      // What went wrong is the news, not that a broken connection cannot roll back either.
      await this.change('ROLLBACK').catch(() => undefined);
      throw error;
    }
  }

  async close(): Promise<void> {
    await this.#client.end().catch(() => undefined);
  }

  async #query(text: string, values: readonly Parameter[], name: string | undefined) {
    try {
      return await this.#client.query<(string | null)[]>({
        text,
        values: values.map((value) =>
          value instanceof Uint8Array ? Buffer.from(value.buffer, value.byteOffset, value.length) : value,
        ),
        rowMode: 'array',
        types: AS_TEXT,
        ...(name === undefined ? {} : { name }),
      });
    } catch (error) {
      throw databaseError(error);
    }
  }
}

function clientFor(url: string | undefined): pg.Client {
  try {
    // Another address would be taken for a host's name, and looked for at this machine.
    if (url !== undefined && !/^postgres(ql)?:\/\//.test(url)) throw new TypeError('no URL of PostgreSQL');
    return new pg.Client({
      ...(url === undefined ? {} : { connectionString: url }),
      application_name: 'pazpaz-keys',
      connectionTimeoutMillis: 10_000,
      keepAlive: true,
    });
  } catch {
    // What is thrown may quote the URL, which may hold a password.
    throw new KeyRotationError(
      'INVALID_SETTINGS',
      'The database is named by no URL that can be read: expected postgres://user@host:5432/database, with special characters percent-encoded.',
    );
  }
}

/** A name as SQL reads it back, whatever characters it has. */
export function quoted(name: string): string {
  return pg.escapeIdentifier(name);
}

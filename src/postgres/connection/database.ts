import pg from 'pg';
import { KeyRotationError } from '../../format/error.ts';
import type { AnswerWatch } from './answer-limits.ts';
import { connect, type Connected, type ServerAddress } from './connect.ts';
import { BinaryRows, CopyQuery, type BinaryRow } from './copy-query.ts';
import { atCommit, databaseError, isUnprepared } from './database-error.ts';
import { SpareConnection } from './spare-connection.ts';

/** A value in a text of SQL: bytes go over in binary, everything else as PostgreSQL spells it. */
export type Parameter = string | number | boolean | null | Uint8Array;

/** A row of the answer: each value as PostgreSQL spells it in text, `null` for NULL. */
export type Cells = readonly (string | null)[];

export interface DatabaseAddress extends ServerAddress {
  /** Default: each work gets a new connection, which is closed after it. */
  readonly spare?: SpareConnection<Connection> | undefined;
}

export interface TransactionOptions {
  /** Default: reads and writes, READ COMMITTED. */
  readonly mode?: string;
  /** Further statements `SET LOCAL …`, which hold for this transaction alone. */
  readonly settings?: readonly string[];
  /** Milliseconds for which it waits for a lock, also after code of a table has changed that (`underOwnPath`). Default: 0, without end. */
  readonly longestWait?: number | undefined;
}

const SAFE_PATH = 'SET LOCAL search_path = pg_catalog, pg_temp';

/** A process whose machine vanished keeps its locks for a minute. A role's limits are meant for other statements. */
const TIMEOUTS: readonly string[] = [
  "SET LOCAL idle_in_transaction_session_timeout = '60s'",
  'SET LOCAL statement_timeout = 0',
];

const lockTimeout = (milliseconds: number) => `SET LOCAL lock_timeout = ${milliseconds}`;

/** One value always has one text. */
const SPELLINGS: readonly string[] = [
  "SET LOCAL client_encoding = 'UTF8'",
  "SET LOCAL DateStyle = 'ISO, YMD'",
  "SET LOCAL IntervalStyle = 'iso_8601'",
  "SET LOCAL TimeZone = 'UTC'",
  "SET LOCAL lc_monetary = 'C'",
  'SET LOCAL extra_float_digits = 3',
  "SET LOCAL bytea_output = 'hex'",
  'SET LOCAL standard_conforming_strings = on',
  'SET LOCAL quote_all_identifiers = off',
];

const ALL_ROWS = 'SET LOCAL row_security = off';

/**
 * Settings of every transaction. `SET LOCAL` only: a pooler may give this session to the application afterwards.
 *
 * - Functions and operators come from `pg_catalog` alone: a role that may create some elsewhere cannot put its own in
 *   their place. Tables are named with their schema.
 * - Values must come back as they went, whatever the server's defaults are: keys are kept as text in the job's
 *   tables, and another session reads them there.
 * - Row security off: a policy that would hide rows is an error instead.
 */
const SETTINGS: readonly string[] = [
  ...TIMEOUTS,
  lockTimeout(0),
  SAFE_PATH,
  ...SPELLINGS,
  // It would take longer to compile the looks at the catalog than to run them.
  'SET LOCAL jit = off',
  // Nor to plan them again for the values of each run, as PostgreSQL does for the first five.
  'SET LOCAL plan_cache_mode = force_generic_plan',
  ALL_ROWS,
];

/** A view that takes the name of a table is an error before any function of it runs. In releases since August 2024. */
const TABLES_ONLY = "SET LOCAL restrict_nonsystem_relation_kind = 'view, foreign-table'";

/** For code that the user allows to run, which may read through views. */
const ALL_RELATIONS = "SET LOCAL restrict_nonsystem_relation_kind = ''";

/**
 * Of the planner, for what a role or a database has set itself: a plan for absurd costs would take for ever. Without the CASE,
 * PostgreSQL matches every name first, which takes most of the time of a new connection.
 */
const PLANNER_DEFAULTS = `
  SELECT pg_catalog.string_agg(pg_catalog.format('SET LOCAL %I = %L', name, boot_val), '; ')
    FROM pg_catalog.pg_settings
   WHERE context OPERATOR(pg_catalog.=) 'user'
     AND CASE WHEN source OPERATOR(pg_catalog.=) ANY ('{global,database,user,"database user",client,session}'::pg_catalog.text[])
              THEN name OPERATOR(pg_catalog.~) '^(enable_|cpu_|parallel_|min_parallel_|geqo|(seq|random)_page_cost|effective_cache_size|(from|join)_collapse_limit|recursive_worktable_factor|cursor_tuple_fraction|constraint_exclusion)' END`;

const WHO_ANSWERS =
  "SELECT pg_catalog.current_setting('server_version_num'), pg_catalog.pg_backend_pid(), " +
  "pg_catalog.current_setting('restrict_nonsystem_relation_kind', true) IS NOT NULL, encoding, " +
  "pg_catalog.current_setting('synchronous_commit'), " +
  'pg_catalog.pg_encoding_max_length(pg_catalog.pg_char_to_encoding(encoding)) OPERATOR(pg_catalog.>) 1, ' +
  `(${PLANNER_DEFAULTS}) ` +
  'FROM pg_catalog.getdatabaseencoding() encoding';

/** Commits wait for the disk, whatever a role does for its own. */
const DURABLE = 'SET LOCAL synchronous_commit = on';

const IDLE_SESSION_TIMEOUT_SINCE = 140_000;
const TRANSACTION_TIMEOUT_SINCE = 170_000;

/** Beyond READ COMMITTED a row that the application changes meanwhile would end a whole batch, instead of being left to it. */
const USUAL_MODE = 'ISOLATION LEVEL READ COMMITTED, READ WRITE';

/** Leaves every value as the text that came: the few that are bytes or numbers are read where they are used. */
const AS_TEXT = { getTypeParser: () => (value: string) => value };

/** One connection to PostgreSQL. Errors come as `databaseError` says. */
export class Connection {
  readonly #client: pg.Client;
  readonly #watch: AnswerWatch;
  readonly #schema: string | undefined;
  readonly #names = new Map<string, string>();
  #keepsPlans = true;
  #settings = SETTINGS;
  #durable = DURABLE;
  #canRefuseViews = false;
  #isInTransaction = false;
  #longestWait = 0;
  #isOpen = true;
  /** What the server said as it ended the session between two statements. */
  #lastWords: unknown;
  #stored = { encoding: 'UTF8', isMultibyte: true };

  private constructor({ client, watch, schema }: Connected) {
    this.#client = client;
    this.#watch = watch;
    this.#schema = schema;
    const onEnd = () => {
      this.#isOpen = false;
    };
    client.once('end', onEnd).once('error', (error) => {
      onEnd();
      this.#lastWords = error;
    });
  }

  /**
   * Does `work` on a connection, which is closed after it, or kept after a success where the address has a `spare`.
   * Rejects as `open` does.
   */
  static async during<T>(address: DatabaseAddress, work: (session: Connection) => Promise<T>): Promise<T> {
    const session = await Connection.open(address);
    try {
      const result = await work(session);
      if (address.spare !== undefined) await address.spare.keep(session);
      else await session.close();
      return result;
    } catch (error) {
      await session.close();
      throw error;
    }
  }

  /** Connects, or takes the spare one. Rejects with `CANNOT_REACH_DATABASE`, `DATABASE_REFUSED`, or `INVALID_SETTINGS` for an unusable address. */
  static async open(address: DatabaseAddress): Promise<Connection> {
    const spare = address.spare?.take();
    if (spare !== undefined) return spare;
    const session = new Connection(await connect(address));
    try {
      const [[version, backend, canRefuseViews, encoding, commit, isMultibyte, planner] = []] = (
        await session.#send(WHO_ANSWERS)
      ).rows;
      requireNoPooler(session.#client, backend);
      // For the session, which is not a pooler's: one that looks at the catalog now and then is in no transaction between.
      if (Number(version) >= IDLE_SESSION_TIMEOUT_SINCE) await session.#send('SET idle_session_timeout = 0');
      session.#canRefuseViews = canRefuseViews === 't';
      session.#stored = { encoding: encoding ?? '', isMultibyte: isMultibyte === 't' };
      session.#settings = [
        ...(planner == null ? [] : [planner]),
        ...SETTINGS,
        ...(Number(version) >= TRANSACTION_TIMEOUT_SINCE ? ['SET LOCAL transaction_timeout = 0'] : []),
        ...(session.#canRefuseViews ? [TABLES_ONLY] : []),
      ];
      if (commit === 'remote_apply') session.#durable = "SET LOCAL synchronous_commit = 'remote_apply'";
      session.#settings = [...session.#settings, session.#durable];
    } catch (error) {
      await session.close();
      throw databaseError(error);
    }
    return session;
  }

  get isOpen(): boolean {
    return this.#isOpen;
  }

  /** The server that was connected to, of those that the address names. */
  get server(): { readonly host: string; readonly port: number } {
    const { host, port } = this.#client;
    return { host, port };
  }

  /** The encoding of the database, and whether a character of it may have several bytes. */
  get stored(): { readonly encoding: string; readonly isMultibyte: boolean } {
    return this.#stored;
  }

  get refusesViews(): boolean {
    return this.#canRefuseViews;
  }

  /** Runs one statement, in a transaction of its own unless one is open; gives its rows. */
  async rows(text: string, values: readonly Parameter[] = []): Promise<readonly Cells[]> {
    return (await this.#run(text, values)).rows;
  }

  /**
   * Keeps the plan in the session: of statements on catalogs, planning takes longer than running. Rejects once where code
   * of a table has dropped the plans (`isUnprepared`), and keeps none from then on: that code may run again.
   */
  async rowsByPlan(text: string, values: readonly Parameter[]): Promise<readonly Cells[]> {
    if (!this.#keepsPlans) return this.rows(text, values);
    const name = this.#names.get(text) ?? `pazpaz_${this.#names.size}`;
    this.#names.set(text, name);
    try {
      return (await this.#run(text, values, name)).rows;
    } catch (error) {
      if (isUnprepared(error)) this.#keepsPlans = false;
      throw error;
    }
  }

  async change(text: string, values: readonly Parameter[] = []): Promise<number> {
    return (await this.#run(text, values)).rowCount ?? 0;
  }

  /** Has the rows of a SELECT come in binary, within the open transaction, and gives each to `onRow` at once. */
  async copy(select: string, onRow: (row: BinaryRow) => void): Promise<void> {
    const rows = new BinaryRows();
    await this.copyData(select, (chunk) => {
      rows.read(chunk, onRow);
      return undefined;
    });
  }

  /** Has the rows of a SELECT come as `copy` does, in an answer of limited size. */
  async copyRows(select: string, onRow: (row: BinaryRow) => void): Promise<void> {
    await this.#watch.during(this.copy(select, onRow));
  }

  /** Has the rows of a SELECT come as `copy` does, and gives their bytes to `onData`, for `BinaryRows`. */
  async copyData(select: string, onData: (chunk: Buffer) => Promise<void> | undefined): Promise<void> {
    const query = new CopyQuery(select, onData);
    this.#client.query(query);
    await query.done;
  }

  async transaction<T>(work: () => Promise<T>, options: TransactionOptions = {}): Promise<T> {
    this.#isInTransaction = true;
    this.#longestWait = options.longestWait ?? 0;
    try {
      await this.change(this.#begin(options));
      const result = await work();
      await this.change('COMMIT').catch((error: unknown) => {
        throw atCommit(error);
      });
      return result;
    } catch (error) {
      // Report what went wrong first, not that a broken connection cannot roll back either.
      await this.change('ROLLBACK').catch(() => undefined);
      throw error;
    } finally {
      this.#isInTransaction = false;
    }
  }

  /**
   * The number (OID) of the table that a name means to the connected user, `undefined` for none. The only statement that
   * runs under the user's own `search_path`, or in the schema that the URL names: everything in it is qualified.
   */
  async tableNamed(name: string): Promise<string | undefined> {
    const path = this.#schema === undefined ? [] : [`SET LOCAL search_path = ${quoted(this.#schema)}`];
    try {
      await this.#send(['BEGIN READ ONLY', ...TIMEOUTS, lockTimeout(0), ...path].join('; '));
      const found = await this.#send('SELECT pg_catalog.to_regclass($1::pg_catalog.text)::pg_catalog.oid', [name]);
      return found.rows[0]?.[0] ?? undefined;
    } finally {
      await this.#send('ROLLBACK').catch(() => undefined);
    }
  }

  /**
   * Does `work` under the user's own `search_path`, on which functions of triggers and constraints may rely, and checks
   * deferred constraints at once. Every name and operator in the statements of `work` must be qualified. `readsViews`:
   * code that the user allows to run may read through views. `off`: settings of the planner, as for `without`.
   */
  async underOwnPath<T>(work: () => Promise<T>, readsViews: boolean, off: readonly string[] = []): Promise<T> {
    const path = this.#schema === undefined ? 'DEFAULT' : quoted(this.#schema);
    const [open, close] = readsViews && this.#canRefuseViews ? [[ALL_RELATIONS], [TABLES_ONLY]] : [[], []];
    const own = [`SET LOCAL search_path TO ${path}`, 'SET CONSTRAINTS ALL IMMEDIATE'];
    await this.change([...own, ...open, ...off.map(switchOff)].join('; '));
    const result = await work();
    // A trigger may have put off others: what they write must be seen before the commit. Any may have changed a setting.
    const limits = [...TIMEOUTS, lockTimeout(this.#longestWait)];
    const former = ['SET CONSTRAINTS ALL IMMEDIATE', ...limits, SAFE_PATH, ...SPELLINGS, ALL_ROWS, this.#durable];
    await this.change([...former, ...close, ...off.map(reset)].join('; '));
    return result;
  }

  async without<T>(settings: readonly string[], work: () => Promise<T>): Promise<T> {
    await this.change(settings.map(switchOff).join('; '));
    const result = await work();
    await this.change(settings.map(reset).join('; '));
    return result;
  }

  /** Names in further statements mean those of PostgreSQL, and values have their usual text, whatever code that ran has set. */
  async restorePath(): Promise<void> {
    await this.change([SAFE_PATH, ...SPELLINGS].join('; '));
  }

  async close(): Promise<void> {
    await this.#client.end().catch(() => undefined);
  }

  #begin({ mode = USUAL_MODE, settings = [], longestWait }: TransactionOptions): string {
    const limits = longestWait === undefined ? [] : [lockTimeout(longestWait)];
    return [`BEGIN ${mode}`, ...this.#settings, ...limits, ...settings].join('; ');
  }

  async #run(text: string, values: readonly Parameter[], name?: string) {
    if (this.#isInTransaction) return await this.#send(text, values, name);
    await this.#send(this.#begin({}));
    try {
      const result = await this.#send(text, values, name);
      await this.#send('COMMIT');
      return result;
    } catch (error) {
      await this.#send('ROLLBACK').catch(() => undefined);
      throw error;
    }
  }

  async #send(text: string, values: readonly Parameter[] = [], name?: string) {
    try {
      const answer = this.#client.query<(string | null)[]>({
        text,
        ...(name === undefined ? {} : { name }),
        values: values.map((value) =>
          value instanceof Uint8Array ? Buffer.from(value.buffer, value.byteOffset, value.length) : value,
        ),
        rowMode: 'array',
        types: AS_TEXT,
      });
      return await this.#watch.during(answer);
    } catch (error) {
      throw databaseError(this.#lastWords ?? error);
    }
  }
}

/**
 * Does works that follow one another, with an address that `Connection.during` keeps a connection of. What runs on it
 * must trust all code that has run on it before (docs/adr/0038-which-connections-are-used-again.md).
 */
export async function withSpare<T>(
  database: DatabaseAddress,
  work: (database: DatabaseAddress) => Promise<T>,
): Promise<T> {
  if (database.spare !== undefined) return work(database);
  const spare = new SpareConnection<Connection>();
  try {
    return await work({ ...database, spare });
  } finally {
    await spare.close();
  }
}

/** A pooler tells its clients a process number of its own making, and may hand the session to the application. */
function requireNoPooler(client: pg.Client, backend: string | null | undefined): void {
  const announced: unknown = Reflect.get(client, 'processID');
  if (typeof announced === 'number' && backend === `${announced}`) return;
  throw new KeyRotationError(
    'INVALID_SETTINGS',
    `A connection pooler answers at ${client.host}:${client.port} (PgBouncer, RDS Proxy, Supavisor or the like), not PostgreSQL ` +
      'itself. Sessions behind it are shared with the application. Name the server itself: for PgBouncer it is usually ' +
      'port 5432 of the host behind it, for RDS Proxy the endpoint of the instance or the cluster.',
  );
}

const switchOff = (setting: string) => `SET LOCAL ${setting} = off`;
const reset = (setting: string) => `SET LOCAL ${setting} TO DEFAULT`;

export function quoted(name: string): string {
  return pg.escapeIdentifier(name);
}

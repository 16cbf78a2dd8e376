import { KeyRotationError, withoutFullStop } from '../../format/error.ts';
import { requireOwnCode } from '../catalog/foreign-code.ts';
import { actsFor, TRUSTED } from '../catalog/trusted-roles.ts';
import { DatabaseFailure, isLockTimeout } from '../connection/database-error.ts';
import type { Cells, Connection } from '../connection/database.ts';
import JOBS from './sql/0001-jobs.sql';
import CONTENT from './sql/0002-content.sql';
import BRAKES from './sql/0003-brakes.sql';
import WRITTEN from './sql/0004-written.sql';
import MEMBERS from './sql/0005-members.sql';
import SOURCES from './sql/0006-sources.sql';
import ONE_JOB from './sql/0007-one-job.sql';

/** The versions of the schema. A version that was released never changes: the next one alters its tables. */
const MIGRATIONS: readonly string[] = [JOBS, CONTENT, BRAKES, WRITTEN, MEMBERS, SOURCES, ONE_JOB];

/** What belongs to a role that is not trusted, or was added by one. `$1`: NULL without a schema. */
const FOREIGN = `
  WITH ${TRUSTED},
       tables AS (SELECT c.* FROM pg_class c WHERE c.relnamespace = $1::oid)
  SELECT format('it would belong to %s, and the role that logged in is %s', current_user, session_user)
    FROM pg_roles WHERE $1::oid IS NULL AND rolname = current_user AND oid NOT IN (SELECT oid FROM trusted)
  UNION ALL
  SELECT format('the schema belongs to %s', pg_get_userbyid(nspowner))
    FROM pg_namespace WHERE oid = $1::oid AND nspowner NOT IN (SELECT oid FROM trusted)
  UNION ALL
  SELECT format('%I belongs to %s', relname, pg_get_userbyid(relowner))
    FROM tables WHERE relkind <> 'i' AND relowner NOT IN (SELECT oid FROM trusted)
  UNION ALL
  SELECT format('%I is no table', relname)
    FROM tables WHERE relname IN ('job', 'range', 'left_row', 'migration', 'brake') AND relkind <> 'r'
  UNION ALL
  SELECT format('%I has the trigger %I', relname, tgname)
    FROM tables JOIN pg_trigger ON tgrelid = tables.oid WHERE NOT tgisinternal
  UNION ALL
  SELECT format('%I has the rule %I', relname, rulename)
    FROM tables JOIN pg_rewrite ON ev_class = tables.oid WHERE relkind = 'r'`;

const WRITING = 'INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER';

/** Grants of the tables that let others write, or run code as they are written. A role that acts for the owner may do so in any case. */
const GRANTEES = `
  WITH ${TRUSTED},
       tables AS (SELECT oid, relowner, relacl FROM pg_class WHERE relnamespace = $1::oid AND relkind = 'r'),
       grants AS (
         SELECT relowner, acl.* FROM tables, aclexplode(relacl) acl
          UNION ALL
         SELECT relowner, acl.* FROM tables JOIN pg_attribute ON attrelid = tables.oid, aclexplode(attacl) acl)
  SELECT DISTINCT CASE WHEN grantee = 0 THEN 'PUBLIC' ELSE format('%I', pg_get_userbyid(grantee)) END AS name
    FROM grants
   WHERE privilege_type = ANY (string_to_array('${WRITING}', ', ')) AND grantee NOT IN (SELECT oid FROM trusted)
     AND (grantee = 0 OR NOT ${actsFor('grantee', 'relowner')})
   ORDER BY name`;

const SCHEMA_GRANTEES = `
  SELECT DISTINCT format('%I', pg_get_userbyid(grantee)) FROM pg_namespace, aclexplode(nspacl)
   WHERE oid = $1::oid AND grantee NOT IN (0, nspowner)`;

/** Roles that may write into every table without a grant. Since PostgreSQL 14. */
const WRITERS_OF_ALL = `
  WITH ${TRUSTED}
  SELECT format('%I, a member of pg_write_all_data,', r.rolname)
    FROM pg_roles r JOIN pg_roles a ON a.rolname = 'pg_write_all_data' JOIN pg_class c ON c.relnamespace = $1::oid
   WHERE c.relname = 'brake' AND r.rolcanlogin AND r.oid NOT IN (SELECT oid FROM trusted)
     AND pg_has_role(r.oid, a.oid, 'MEMBER') AND NOT ${actsFor('r.oid', 'c.relowner')}
   LIMIT 1`;

/** A role that could have written what is in the tables of jobs, besides those that act for their owner anyway. */
export async function otherWriter(session: Connection): Promise<string | undefined> {
  const schema = await schemaOf(session);
  const [grantee] = await session.rows(GRANTEES, [schema]);
  const [member] = await session.rows(WRITERS_OF_ALL, [schema]);
  return grantee?.[0] ?? member?.[0] ?? undefined;
}

/** Asks the catalog itself, because `to_regclass` fails where another role's schema may not be used. */
const OF_JOBS = `
  SELECT pg_get_userbyid(nspowner), has_schema_privilege(n.oid, 'USAGE'),
         EXISTS (SELECT FROM pg_class WHERE relnamespace = n.oid AND relname = 'job')
    FROM pg_namespace n WHERE nspname = 'pazpaz_keys'`;

/** The tables that say when rows were re-encrypted. `sources`: not there in those of a version before the sixth. */
const TIMES = `
  SELECT c.relname, c.oid, pg_get_userbyid(c.relowner), format('%I', current_user), a.attnum IS NOT NULL,
         has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT'),
         c.relkind = 'r' AND (a.attnum IS NULL OR a.atttypid = 'jsonb'::regtype)
    FROM pg_namespace n
    JOIN pg_class c ON c.relnamespace = n.oid AND c.relname IN ('job', 'range')
    LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'sources' AND NOT a.attisdropped
   WHERE n.nspname = 'pazpaz_keys'`;

/**
 * Whether there are tables of jobs that say when rows were re-encrypted; they are locked for the open transaction. Throws
 * `NO_CENSUS` where this user may not read them, `DATABASE_REFUSED` where others may write into them, and `INVALID_COLUMN`
 * where to read them would run code of another role.
 */
export async function holdTimes(session: Connection): Promise<boolean> {
  const found = await session.rows(TIMES);
  if (found.length < 2) return false;
  for (const [, , owner, role, , mayRead] of found) {
    if (mayRead === 't') continue;
    throw new KeyRotationError(
      'NO_CENSUS',
      `The tables of jobs (pazpaz_keys) belong to ${owner ?? ''}, and this user may not read them. They say when rows were last ` +
        're-encrypted from a key, which is kept for a day after that. Let their owner run: GRANT USAGE ON SCHEMA pazpaz_keys ' +
        `TO ${role ?? ''}; GRANT SELECT ON ALL TABLES IN SCHEMA pazpaz_keys TO ${role ?? ''}`,
    );
  }
  await requireNoWriters(session, await schemaOf(session));
  await session.change('LOCK TABLE ONLY pazpaz_keys.job, ONLY pazpaz_keys.range IN ACCESS SHARE MODE');
  const held = await session.rows(TIMES);
  for (const [name, id, , , , , isTable] of held) {
    if (isTable !== 't')
      throw new KeyRotationError('NO_CENSUS', `pazpaz_keys.${name ?? ''} is not the table that reencrypt makes.`);
    await requireOwnCode(session, id ?? '', { table: `pazpaz_keys.${name ?? ''}`, column: 'sources' });
  }
  return held.every(([, , , , hasTimes]) => hasTimes === 't');
}

/** Whether jobs may be there. Throws `DATABASE_REFUSED` where the schema belongs to a role that keeps this one out. */
export async function hasJobTables(session: Connection): Promise<boolean> {
  const [schema] = await session.rows(OF_JOBS);
  if (schema === undefined) return false;
  const [owner, mayUse, hasJobs] = schema;
  if (mayUse === 't') return hasJobs === 't';
  throw new DatabaseFailure(
    'DATABASE_REFUSED',
    `The schema pazpaz_keys, which keeps the state of re-encryption jobs, belongs to ${owner ?? ''}, and this user may ` +
      'not use it. Run this as that role. To change the role, let the owner drop the schema first (DROP SCHEMA ' +
      'pazpaz_keys CASCADE): a job then begins again, and finished rows are only read. The times of the last rows of each key ' +
      'are gone then: retire none for 24 hours.',
    '42501',
  );
}

/** Serializes the making of schema and tables: two that find nothing at once would both make them, and one fails. */
const SCHEMA_LOCK = 7_206_153_928;

/** Milliseconds for which it is waited for, and for the tables of an older version, with which its processes work. */
export const LOCK_TIMEOUT = 1000;

/** A transaction that waits longer for the tables makes the processes of the older version wait for it. */
export const LOCK_BRIEFLY = `SET LOCAL lock_timeout = ${LOCK_TIMEOUT}`;

const HOLDERS = `
  SELECT format('%s of process %s (role %s)%s',
                CASE WHEN l.locktype = 'advisory' THEN format('advisory lock %s', $1::int8)
                     ELSE format('a lock of %s', l.relation::regclass) END, l.pid, coalesce(a.usename, '?'),
                CASE WHEN cardinality(waits.ids) > 0 THEN format(', which waits for process %s', waits.ids[1]) END)
    FROM pg_locks l
    JOIN pg_database d ON d.oid = l.database AND d.datname = current_database()
    LEFT JOIN pg_stat_activity a ON a.pid = l.pid
   CROSS JOIN LATERAL (SELECT pg_blocking_pids(l.pid) AS ids) waits
   WHERE l.granted AND l.pid <> pg_backend_pid()
     AND (l.locktype = 'advisory' AND l.objsubid = 1 AND (l.classid::int8 << 32) + l.objid::int8 = $1::int8
          OR l.locktype = 'relation' AND l.relation IN (
               SELECT c.oid FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = 'pazpaz_keys'))
   ORDER BY l.locktype, l.relation, l.pid LIMIT 1`;

export async function holderOfTables(session: Connection): Promise<string> {
  const [found] = await session.rows(HOLDERS, [SCHEMA_LOCK]);
  return found?.[0] ?? 'another process';
}

export function keptClosed(holder: string): KeyRotationError {
  return new KeyRotationError(
    'DATABASE_REFUSED',
    `The tables of jobs (pazpaz_keys) are kept closed by ${holder}. A reencrypt that opens them holds it for a moment only, ` +
      'and one of an older version until its batch or its check ends: let that process end, or end it ' +
      '(pg_terminate_backend), and run this again.',
  );
}

/** In a transaction of its own. Throws `DATABASE_REFUSED` where another process keeps the tables closed, too. */
export async function openJobTablesNow(session: Connection): Promise<void> {
  try {
    await session.transaction(() => openJobTables(session), { settings: [LOCK_BRIEFLY] });
  } catch (error) {
    throw isLockTimeout(error) ? keptClosed(await holderOfTables(session)) : error;
  }
}

/** Lets one transaction after the other make the tables, and begin a job. */
export async function takeTurn(session: Connection): Promise<void> {
  await session.change('SELECT pg_advisory_xact_lock($1)', [SCHEMA_LOCK]);
}

/**
 * Makes schema and tables where they are not there yet, and brings those of an older version to this one with the jobs
 * in them, within the caller's transaction. Throws `DATABASE_REFUSED` where another role may have its functions run by
 * them, with the rights of the current user, and where a newer version made them.
 */
export async function openJobTables(session: Connection): Promise<void> {
  if ((await openedVersion(session)) === MIGRATIONS.length) return;
  await takeTurn(session);
  const version = await openedVersion(session);
  if (version < MIGRATIONS.length) await migrate(session, version);
}

async function openedVersion(session: Connection): Promise<number> {
  await requireTrusted(session, await schemaOf(session));
  await hasJobTables(session);
  const version = await schemaVersion(session);
  if (version <= MIGRATIONS.length) return version;
  throw new DatabaseFailure(
    'DATABASE_REFUSED',
    `The schema pazpaz_keys has version ${version}, and this program knows versions up to ${MIGRATIONS.length}. ` +
      'A newer one has made it: use that one for all processes of a job.',
  );
}

async function schemaOf(session: Connection): Promise<string | null> {
  const [found] = await session.rows("SELECT oid FROM pg_namespace WHERE nspname = 'pazpaz_keys'");
  return found?.[0] ?? null;
}

/** Whether this user has the rights to make the tables, or to alter those of an older version. `$1`: NULL without a schema. */
const MAY_MAKE = `
  SELECT CASE WHEN $1::oid IS NULL THEN has_database_privilege(current_database(), 'CREATE')
              ELSE has_schema_privilege($1::oid, 'CREATE')
                   AND NOT EXISTS (SELECT FROM pg_class WHERE relnamespace = $1::oid AND relkind = 'r' AND NOT pg_has_role(relowner, 'USAGE')) END`;

async function migrate(session: Connection, version: number): Promise<void> {
  const schema = await schemaOf(session);
  // Asked first: after an error, the transaction gives no more answers.
  const eventTriggers = await eventTriggersOf(session);
  const [mayMake] = await session.rows(MAY_MAKE, [schema]);
  try {
    // IF NOT EXISTS would ask for the privilege even where the schema was made for this user.
    if (schema === null) await session.change('CREATE SCHEMA pazpaz_keys');
    for (const migration of MIGRATIONS.slice(version)) await session.change(migration);
    await session.change(
      `CREATE TABLE IF NOT EXISTS pazpaz_keys.migration (
         version integer PRIMARY KEY, applied_at timestamptz NOT NULL DEFAULT now())`,
    );
    await session.change(
      'INSERT INTO pazpaz_keys.migration (version) SELECT generate_series($1::integer + 1, $2::integer)',
      [version, MIGRATIONS.length],
    );
    await revokeFromOthers(session, schema === null);
  } catch (error) {
    if (!(error instanceof DatabaseFailure) || error.state !== '42501') throw error;
    if (mayMake?.[0] === 't' && eventTriggers.length > 0) throw changedWhenMade(error.message, eventTriggers);
    throw new DatabaseFailure(
      'DATABASE_REFUSED',
      'This user may not make the schema pazpaz_keys, which keeps the state of re-encryption jobs. An owner of the ' +
        'database allows it (GRANT CREATE ON DATABASE … TO its role), or makes the schema for it (CREATE SCHEMA pazpaz_keys ' +
        'AUTHORIZATION its role).',
      error.state,
    );
  }
  const made = await schemaOf(session);
  const foreign = await session.rows(FOREIGN, [made]);
  if (foreign.length > 0) throw changedWhenMade(listed(foreign), eventTriggers);
  await requireNoWriters(session, made);
}

/** Those that may change tables as they are made. */
const EVENT_TRIGGERS = `
  SELECT format('%I, function %s', evtname, evtfoid::regprocedure) FROM pg_event_trigger
   WHERE evtevent = 'ddl_command_end' AND evtenabled <> 'D'
     AND (evttags IS NULL OR evttags && '{CREATE SCHEMA,CREATE TABLE,CREATE INDEX,CREATE SEQUENCE,ALTER TABLE,REVOKE}'::text[])
   ORDER BY evtname`;

async function eventTriggersOf(session: Connection): Promise<readonly string[]> {
  return (await session.rows(EVENT_TRIGGERS)).map(([name]) => name ?? '');
}

function changedWhenMade(what: string, eventTriggers: readonly string[]): DatabaseFailure {
  return new DatabaseFailure(
    'DATABASE_REFUSED',
    `The tables of jobs (pazpaz_keys) were changed while they were made, and nothing was kept: ${withoutFullStop(what)}. An event trigger of this ` +
      `database does that: ${eventTriggers.join('; ')}. Have its function leave out the schema pazpaz_keys, or have it disabled ` +
      '(ALTER EVENT TRIGGER … DISABLE) until reencrypt has made its tables, and run this again.',
  );
}

const listed = (foreign: readonly Cells[]) => foreign.map(([what]) => what ?? '').join('; ');

/** ALTER DEFAULT PRIVILEGES gives rights to tables, and to a schema, as they are made. */
async function revokeFromOthers(session: Connection, isNewSchema: boolean): Promise<void> {
  const schema = await schemaOf(session);
  const names = async (query: string) => (await session.rows(query, [schema])).map(([name]) => name ?? '');
  if (isNewSchema) {
    const others = ['PUBLIC', ...(await names(SCHEMA_GRANTEES))];
    await session.change(`REVOKE ALL ON SCHEMA pazpaz_keys FROM ${others.join(', ')} CASCADE`);
  }
  await session.change('REVOKE ALL ON ALL TABLES IN SCHEMA pazpaz_keys FROM PUBLIC');
  const writers = await names(GRANTEES);
  if (writers.length > 0) await session.change(revokeOf(writers));
}

function revokeOf(writers: readonly string[]): string {
  return `REVOKE ${WRITING} ON ALL TABLES IN SCHEMA pazpaz_keys FROM ${writers.join(', ')} CASCADE`;
}

/** The version of the schema; 0 without one, and with the tables of version 0.1.0. */
async function schemaVersion(session: Connection): Promise<number> {
  const [found] = await session.rows("SELECT to_regclass('pazpaz_keys.migration') IS NOT NULL");
  if (found?.[0] !== 't') return 0;
  const [version] = await session.rows('SELECT coalesce(max(version), 0) FROM pazpaz_keys.migration');
  return Number(version?.[0]);
}

async function requireTrusted(session: Connection, schema: string | null): Promise<void> {
  const foreign = await session.rows(FOREIGN, [schema]);
  if (foreign.length === 0) return requireNoWriters(session, schema);
  const eventTriggers = schema === null ? [] : await eventTriggersOf(session);
  throw new DatabaseFailure(
    'DATABASE_REFUSED',
    `The schema pazpaz_keys is not trusted: ${listed(foreign)}. Its owner could make functions ` +
      'run with your rights. Run this as that role, or look at the schema and drop it (DROP SCHEMA pazpaz_keys CASCADE): ' +
      'a job then begins again, and rows that it has brought to the current key are only read. The times of the last rows of ' +
      'each key are gone then: retire none for 24 hours.' +
      (eventTriggers.length === 0
        ? ''
        : ` If an event trigger does this to new tables, have it disabled first: ${eventTriggers.join('; ')}.`),
  );
}

async function requireNoWriters(session: Connection, schema: string | null): Promise<void> {
  const writers = (await session.rows(GRANTEES, [schema])).map(([name]) => name ?? '');
  if (writers.length === 0) return;
  throw new DatabaseFailure(
    'DATABASE_REFUSED',
    `The tables of jobs (pazpaz_keys) are not trusted: ${writers.join(', ')} may write into them, and so end a job too early or have ` +
      `a query run with your rights. Let their owner run: ${revokeOf(writers)}. If these rights may have been used, drop the ` +
      'schema (DROP SCHEMA pazpaz_keys CASCADE), and retire no key for 24 hours: the times of its last rows are gone then.',
  );
}

import { KeyRotationError } from '../../format/error.ts';
import { DatabaseFailure } from '../connection/database-error.ts';
import type { Connection } from '../connection/database.ts';
import { partitionTree } from './partition-tree.ts';

export interface Table {
  readonly id: string;
  /** Schema and table, quoted for SQL. */
  readonly name: string;
  /** For FROM and LOCK TABLE: without the child tables by inheritance, each of which is a table of its own. */
  readonly ownRows: string;
  readonly owner: string;
  readonly estimatedRows: number | undefined;
  readonly unseen: readonly string[];
  readonly isSecured: boolean;
  /** Which version of its schema's row in the catalog gave it that name. */
  readonly schemaVersion: string;
}

/** SQLSTATEs with which PostgreSQL refuses a text that is not a name of a table in this database. */
const NO_NAME = new Set(['42601', '42602', '0A000']);

/** `parse_ident` gives the parts of a name as SQL reads it: one part has no schema. */
const TABLE = `
  SELECT c.oid, format('%I.%I', n.nspname, c.relname), c.relkind,
         CASE c.relkind
           WHEN 'p' THEN (SELECT CASE WHEN min(leaf.reltuples) >= 0 THEN sum(leaf.reltuples) END
                            FROM pg_partition_tree(c.oid) part JOIN pg_class leaf ON leaf.oid = part.relid
                           WHERE part.isleaf)
           ELSE CASE WHEN c.reltuples > 0 THEN c.reltuples END END,
         pg_is_in_recovery(),
         row_security_active(c.oid),
         pg_get_userbyid(c.relowner),
         c.relname = name.parts[array_upper(name.parts, 1)],
         CASE WHEN array_upper(name.parts, 1) = 1
              THEN (SELECT string_agg(format('%I.%I (owner %s)', ns.nspname, same.relname, pg_get_userbyid(same.relowner)),
                                      ', ' ORDER BY ns.nspname)
                      FROM pg_class same JOIN pg_namespace ns ON ns.oid = same.relnamespace
                     WHERE same.relname = c.relname AND same.oid <> c.oid AND same.relkind IN ('r', 'p', 'v', 'm', 'f')
                       AND ns.nspname !~ '^pg_(toast|temp)') END,
         EXISTS (SELECT FROM pg_partition_tree(c.oid) part JOIN pg_class leaf ON leaf.oid = part.relid
                  WHERE leaf.relkind = 'f'),
         c.relpersistence,
         -- A column since version 14, which has DETACH PARTITION CONCURRENTLY.
         (SELECT string_agg(format('%I.%I', ns.nspname, leaf.relname), ', ')
            FROM pg_inherits i JOIN pg_class leaf ON leaf.oid = i.inhrelid JOIN pg_namespace ns ON ns.oid = leaf.relnamespace
           WHERE (i.inhparent = c.oid OR i.inhparent IN (SELECT relid FROM pg_partition_tree(c.oid)))
             AND (to_jsonb(i) ->> 'inhdetachpending')::boolean),
         format('%s %s', n.oid, n.xmin),
         EXISTS (SELECT FROM unnest(name.parts) part
                  WHERE octet_length(part) > current_setting('max_identifier_length')::int4)
    FROM pg_class c
    JOIN pg_namespace n ON n.oid = c.relnamespace
   CROSS JOIN (SELECT parse_ident($2) AS parts) name
   WHERE c.oid = $1::oid`;

/** What has rows in SQL and is no table of this database, by `relkind`. */
const KINDS: Readonly<Record<string, string>> = {
  v: 'a view',
  m: 'a materialized view',
  f: 'a foreign table, whose rows no snapshot here holds',
};

/** Files of a table in the snapshot of this transaction that are no longer its files. */
const REWRITTEN = `
  SELECT FROM pg_class c
   WHERE c.oid = ANY (string_to_array(${partitionTree('$1::oid')}, ' ')::oid[])
     AND c.relkind IN ('r', 'm') AND c.relfilenode IS DISTINCT FROM pg_relation_filenode(c.oid)`;

/** Both functions read the catalog as it is now, not as the snapshot of this transaction has it. */
const UNCHANGED = `
  SELECT to_regclass($2::text)::oid IS NOT DISTINCT FROM $1::oid AND NOT row_security_active($1::oid)`;

/** The number of the table that a name means to the connected user. Throws `INVALID_COLUMN` for what is not a name. */
export async function tableNamed(session: Connection, name: string): Promise<string | undefined> {
  return session.tableNamed(name).catch((error: unknown) => {
    if (!(error instanceof DatabaseFailure) || !NO_NAME.has(error.state ?? '')) throw error;
    throw invalid(
      `${JSON.stringify(name)} is not a table's name in SQL: expected patients, clinic.patients, '"Patients"'.`,
    );
  });
}

const ALIKE = `
  SELECT format('%I.%I', n.nspname, c.relname)
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
   WHERE c.relkind IN ('r', 'p') AND lower(c.relname) = lower($1) AND c.relname <> lower(c.relname)
   ORDER BY 1 LIMIT 3`;

/** PostgreSQL reads a name without quotes in small letters. */
async function hintFor(session: Connection, name: string): Promise<string> {
  const last = name.slice(name.lastIndexOf('.') + 1).replaceAll('"', '');
  const [found] = await session.rows(ALIKE, [last]);
  return found === undefined ? '' : ` Did you mean '${found[0] ?? ''}'? Capital letters need the quotes.`;
}

/** Its schema and name, where it is a table that the user may lock: a right to single columns does not allow it. */
const LOCKABLE = `
  SELECT format('%I.%I', n.nspname, c.relname), c.relkind = 'p'
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
   WHERE c.oid = $1::oid AND c.relkind IN ('r', 'p') AND has_table_privilege(c.oid, 'SELECT')`;

/** The statement that locks the table with this number against changes of its definition, or none. */
export async function lockOf(session: Connection, tableId: string | undefined): Promise<readonly string[]> {
  const [found] = tableId === undefined ? [] : await session.rows(LOCKABLE, [tableId]);
  const [name, isPartitioned] = found ?? [];
  return name == null ? [] : [`LOCK TABLE ${ownRowsOf(name, isPartitioned === 't')} IN ACCESS SHARE MODE`];
}

function ownRowsOf(name: string, isPartitioned: boolean): string {
  return isPartitioned ? name : `ONLY ${name}`;
}

/**
 * Throws `INVALID_COLUMN` where the name may mean several tables, or where rows of others would be read beside its own.
 */
export async function lookUpTable(session: Connection, name: string, tableId: string | undefined): Promise<Table> {
  const [found] = tableId === undefined ? [] : await session.rows(TABLE, [tableId, name]);
  if (found === undefined) {
    throw invalid(
      `There is no table ${name} in this database, or not on the search path: name its schema too (clinic.patients).` +
        (await hintFor(session, name)),
    );
  }
  const [id, table, kind, tuples, isReplica, isSecured, owner, hasThisName, others, hasForeign] = found;
  const [persistence, leaving, schemaVersion = null, isLong] = found.slice(10);
  if (id == null || table == null) throw invalid(`The catalog did not describe ${name}.`);
  if (isLong === 't') throw invalid(`${name} has a name of more bytes than PostgreSQL keeps: write ${table}.`);
  if (hasThisName !== 't') throw invalid(`${name} was renamed while it was looked up. Run this again.`);
  if (others != null) {
    throw invalid(
      `${name} may mean ${table} (owner ${owner ?? ''}) or ${others}: name the schema too, ${table} for example.`,
    );
  }
  if (kind !== 'r' && kind !== 'p')
    throw invalid(
      `${name} is not a table but ${KINDS[kind ?? ''] ?? 'something else'}: name the table that holds the rows.`,
    );
  if (persistence === 't') {
    throw invalid(`${name} is a temporary table, which only its own session sees: name a table that stays.`);
  }
  if (leaving != null) {
    throw invalid(
      `${leaving} is being detached from ${name}, and its rows are no longer seen in it. While a session is at it, wait for that. ` +
        'Otherwise finish it (ALTER TABLE … DETACH PARTITION … FINALIZE). Then name it, too.',
    );
  }
  if (hasForeign === 't') {
    throw invalid(`${name} has partitions on another server, whose rows no snapshot here holds: name the others.`);
  }
  const unseen: string[] = [];
  if (isReplica === 't') unseen.push('this server is a replica, which may lack the latest rows');
  if (isSecured === 't') unseen.push(`row security hides rows of ${name} from this user`);
  const estimatedRows = tuples == null ? undefined : Number(tuples);
  return {
    id,
    name: table,
    ownRows: ownRowsOf(table, kind === 'p'),
    owner: owner ?? '',
    unseen,
    isSecured: isSecured === 't',
    estimatedRows,
    schemaVersion: schemaVersion ?? '',
  };
}

/** Throws `DATABASE_REFUSED` where the name means another table by now. It looks at the catalog as it is now. */
export async function requireSameName(session: Connection, id: string, name: string): Promise<void> {
  const [found] = await session.rows('SELECT to_regclass($2::text)::oid IS NOT DISTINCT FROM $1::oid', [id, name]);
  if (found?.[0] === 't') return;
  throw new KeyRotationError('DATABASE_REFUSED', `${name} was changed while it was looked up. Run this again.`);
}

/**
 * Locks the table against changes of its definition until the transaction ends. Throws `DATABASE_REFUSED` where its
 * rows were rewritten (ALTER TABLE, TRUNCATE, CLUSTER) after this transaction's snapshot: it would show no rows at all.
 * Throws it too where another table took the name, or a policy began to hide rows, before the lock was there.
 */
export async function holdTable(session: Connection, id: string, name: string, ownRows = name): Promise<void> {
  await session.rows(`SELECT FROM ${ownRows} LIMIT 0`);
  const [unchanged] = await session.rows(UNCHANGED, [id, name]);
  if (unchanged?.[0] !== 't') {
    throw new KeyRotationError('DATABASE_REFUSED', `${name} was changed while it was looked up. Run this again.`);
  }
  await requireNotRewritten(session, id, name);
}

export async function requireNotRewritten(session: Connection, id: string, name: string): Promise<void> {
  const rewritten = await session.rows(REWRITTEN, [id]);
  if (rewritten.length === 0) return;
  throw new KeyRotationError('DATABASE_REFUSED', `${name} was rewritten while it was looked up. Run this again.`);
}

function invalid(message: string): KeyRotationError {
  return new KeyRotationError('INVALID_COLUMN', message);
}

import { KeyRotationError } from '../format/error.ts';
import type { Column, TriggerOnUpdate } from './column.ts';
import { DatabaseFailure } from './database-error.ts';
import type { Connection } from './database.ts';

/** What an operator decided about the triggers of a table. */
export type TriggerChoice = 'fire' | 'skip';

/** Bits of tgtype (pg_trigger.h): 1 for each row, 2 BEFORE, 16 UPDATE; on a column list only if it holds the column. */
const TRIGGERS = `
  WITH tables AS (SELECT $1::oid AS id UNION SELECT relid FROM pg_partition_tree($1::oid::regclass) WHERE relid IS NOT NULL)
  SELECT DISTINCT tgname,
         CASE WHEN tgtype::int & 2 > 0 THEN 'BEFORE' ELSE 'AFTER' END || ' UPDATE, function ' || tgfoid::regproc::text || '()',
         tgenabled = 'A'
    FROM pg_trigger JOIN tables ON tgrelid = id
   WHERE NOT tgisinternal AND tgenabled IN ('O', 'A') AND tgtype::int & 16 > 0
     AND (tgattr::text = ''
          OR EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = tgrelid AND a.attname = $2 AND a.attnum = ANY (tgattr::int2[])))
  UNION ALL
  SELECT rulename, 'rule ON UPDATE', ev_enabled = 'A'
    FROM pg_rewrite JOIN tables ON ev_class = id
   WHERE ev_type = '2' AND ev_enabled IN ('O', 'A')
   ORDER BY 1`;

/** The triggers and rules that an update of this column would set off. */
export async function triggersOnUpdate(
  session: Connection,
  tableId: string,
  column: string,
): Promise<readonly TriggerOnUpdate[]> {
  const rows = await session.rows(TRIGGERS, [tableId, column]);
  return rows.map(([name, does, always]) => ({ name: name ?? '', does: does ?? '', isUnskippable: always === 't' }));
}

/**
 * Sees to it that triggers are a decision. `TRIGGERS_UNDECIDED` where a table has some and nobody chose, or where they
 * cannot be skipped: `session_replication_role` is for superusers, or needs a grant since PostgreSQL 15. (ALTER TABLE …
 * DISABLE TRIGGER is no way: it would keep the application's own updates from its triggers too.)
 */
export async function decideTriggers(
  session: Connection,
  columns: readonly Column[],
  choice: TriggerChoice | undefined,
): Promise<void> {
  const all = columns.flatMap(({ spec, triggers }) => triggers.map((trigger) => ({ ...trigger, table: spec.table })));
  if (all.length === 0 || choice === 'fire') return;
  const named = all.map(({ table, name, does }) => `${name} on ${table} (${does})`).join('; ');
  if (choice === undefined) {
    throw undecided(
      `Updating rows would set off: ${named}. Choose --triggers skip (they do not fire for these updates; the ` +
        "application's own go on firing) or --triggers fire.",
    );
  }
  const stubborn = all.filter(({ isUnskippable }) => isUnskippable);
  if (stubborn.length > 0) {
    throw undecided(
      `These fire in any case (ENABLE ALWAYS): ${stubborn.map(({ name, table }) => `${name} on ${table}`).join('; ')}. ` +
        'Choose --triggers fire, or have their owner enable them the usual way (ALTER TABLE … ENABLE TRIGGER).',
    );
  }
  const denied = await whyNotSkipped(session);
  if (denied === undefined) return;
  const [user] = await session.rows('SELECT quote_ident(current_user)');
  throw undecided(
    'Skipping triggers needs a privilege that this user lacks. A superuser grants it (PostgreSQL 15 and newer): ' +
      `GRANT SET ON PARAMETER session_replication_role TO ${user?.[0] ?? 'the role'}. Triggers there: ${named}. ${denied.message}`,
  );
}

async function whyNotSkipped(session: Connection): Promise<DatabaseFailure | undefined> {
  try {
    await session.transaction(() => session.change("SET LOCAL session_replication_role = 'replica'"));
    return undefined;
  } catch (error) {
    if (error instanceof DatabaseFailure && error.state === '42501') return error;
    throw error;
  }
}

/** Keeps this session's updates from the triggers. */
export async function skipTriggers(session: Connection): Promise<void> {
  await session.change("SET session_replication_role = 'replica'");
}

function undecided(message: string): KeyRotationError {
  return new KeyRotationError('TRIGGERS_UNDECIDED', message);
}

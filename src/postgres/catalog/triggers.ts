import { KeyRotationError } from '../../format/error.ts';
import type { Column, TriggerOnUpdate } from './column.ts';
import { DatabaseFailure } from '../connection/database-error.ts';
import type { Connection } from '../connection/database.ts';

export type TriggerChoice = 'fire' | 'skip';

/**
 * `$2`: the column and those that are generated from it.
 *
 * Bits of tgtype (pg_trigger.h): 1 for each row, 2 BEFORE, 16 UPDATE; on a column list only if it has one of them, or a
 * generated column: beside a BEFORE trigger PostgreSQL computes every one again, and takes it for updated.
 * `tgenabled` and `ev_enabled`: O the usual way, R ENABLE REPLICA, A ENABLE ALWAYS, D disabled.
 *
 * A foreign key works by internal triggers: of the table that is referred to, and of the one that refers. Those of a
 * partition are left out where the table has them, too.
 */
const TRIGGERS = `
  WITH tables AS (SELECT $1::oid AS id UNION SELECT relid FROM pg_partition_tree($1::oid::regclass) WHERE relid IS NOT NULL),
       names AS (SELECT value::name FROM json_array_elements_text($2::json))
  SELECT DISTINCT tgname,
         CASE WHEN tgtype::int & 2 > 0 THEN 'BEFORE' ELSE 'AFTER' END || ' UPDATE, function ' || tgfoid::regproc::text || '()',
         tgenabled
    FROM pg_trigger JOIN tables ON tgrelid = id
   WHERE NOT tgisinternal AND tgenabled <> 'D' AND tgtype::int & 16 > 0
     AND (tgattr::text = ''
          OR EXISTS (SELECT FROM pg_attribute a
                      WHERE a.attrelid = tgrelid AND a.attnum = ANY (tgattr::int2[])
                        AND (a.attname IN (SELECT value FROM names) OR a.attgenerated <> '')))
  UNION ALL
  SELECT rulename, 'rule ON UPDATE', ev_enabled
    FROM pg_rewrite JOIN tables ON ev_class = id
   WHERE ev_type = '2' AND ev_enabled <> 'D'
  UNION ALL
  SELECT DISTINCT conname,
         CASE WHEN refers THEN 'foreign key to ' || confrelid::regclass::text
              ELSE 'foreign key of ' || conrelid::regclass::text || ', ON UPDATE ' ||
                   CASE confupdtype WHEN 'c' THEN 'CASCADE' WHEN 'n' THEN 'SET NULL' WHEN 'd' THEN 'SET DEFAULT'
                                    WHEN 'r' THEN 'RESTRICT' ELSE 'NO ACTION' END END,
         'F'::"char"
    FROM pg_trigger t JOIN tables ON tgrelid = id
    JOIN pg_constraint c ON c.oid = tgconstraint AND contype = 'f'
   CROSS JOIN LATERAL (SELECT tgfoid = 'pg_catalog."RI_FKey_check_upd"'::regproc AS refers) side
    JOIN pg_attribute a ON a.attrelid = tgrelid AND a.attname IN (SELECT value FROM names)
                       AND a.attnum = ANY (CASE WHEN refers THEN conkey ELSE confkey END)
   WHERE tgisinternal AND tgenabled <> 'D' AND tgtype::int & 16 > 0
     AND NOT EXISTS (SELECT FROM pg_trigger p WHERE p.oid = t.tgparentid AND p.tgrelid IN (SELECT id FROM tables))
   ORDER BY 1`;

export async function triggersOnUpdate(
  session: Connection,
  tableId: string,
  columns: readonly string[],
): Promise<readonly TriggerOnUpdate[]> {
  const rows = await session.rows(TRIGGERS, [tableId, JSON.stringify(columns)]);
  return rows.map(([name, does, enabled]) => ({
    name: name ?? '',
    does: does ?? '',
    firesOnFire: enabled !== 'R',
    isUnskippable: enabled !== 'O',
    isForeignKey: enabled === 'F',
  }));
}

/** `touched on patients (BEFORE UPDATE, function public.touch()): fires with --triggers fire, rests with skip`. */
export function triggerLine(
  { name, does, firesOnFire, isUnskippable, isForeignKey }: TriggerOnUpdate,
  table: string,
): string {
  if (isForeignKey) return `${name} on ${table} (${does}): enforced with --triggers fire, skip is refused`;
  const [fire, skip] = [firesOnFire, isUnskippable].map((fires) => (fires ? 'fires' : 'rests'));
  return `${name} on ${table} (${does}): ${fire ?? ''} with --triggers fire, ${skip ?? ''} with skip`;
}

/**
 * Requires a decision about triggers. Throws `TRIGGERS_UNDECIDED` where some would fire and no choice was made, or where
 * they cannot be skipped: `session_replication_role` is for superusers, or needs a grant since PostgreSQL 15. (ALTER
 * TABLE … DISABLE TRIGGER is not an alternative: it would keep the application's own updates from its triggers too.)
 */
export async function decideTriggers(
  session: Connection,
  columns: readonly Column[],
  choice: TriggerChoice | undefined,
): Promise<void> {
  const all = columns.flatMap(({ spec, triggers }) => triggers.map((trigger) => ({ ...trigger, table: spec.table })));
  if (choice !== 'skip' && all.length > 0) await requireFiring(session);
  if (choice === 'fire' || (choice === undefined && all.every(({ firesOnFire }) => !firesOnFire))) return;
  if (all.length === 0) return;
  const named = all.map((trigger) => triggerLine(trigger, trigger.table)).join('; ');
  if (choice === undefined) {
    throw undecided(
      `Updating rows would fire triggers. ${named}. Choose --triggers skip or --triggers fire. The choice applies only to these ` +
        "updates; the application's own updates still fire them.",
    );
  }
  const foreignKeys = all.filter(({ isForeignKey }) => isForeignKey);
  if (foreignKeys.length > 0) {
    throw undecided(
      'With --triggers skip PostgreSQL enforces no foreign key, and references would keep the old ciphertext: ' +
        `${foreignKeys.map(({ name, does, table }) => `${name} on ${table} (${does})`).join('; ')}. ` +
        'Choose --triggers fire, or have its owner drop it.',
    );
  }
  const stubborn = all.filter(({ isUnskippable }) => isUnskippable);
  if (stubborn.length > 0) {
    throw undecided(
      'With --triggers skip these fire (ENABLE ALWAYS, or ENABLE REPLICA, which fire only then): ' +
        `${stubborn.map(({ name, table }) => `${name} on ${table}`).join('; ')}. ` +
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

/** A role, a database or PGOPTIONS may set it: updates then fire no trigger and check no foreign key, without a word. */
async function requireFiring(session: Connection): Promise<void> {
  const [found] = await session.rows("SELECT pg_catalog.current_setting('session_replication_role'), current_user");
  const [role, user] = found ?? [];
  if (role !== 'replica') return;
  throw undecided(
    `Sessions of ${user ?? 'this role'} have session_replication_role = replica: their updates fire no usual trigger and enforce no ` +
      'foreign key. Choose --triggers skip, or run this as a role, in a database and with PGOPTIONS without that setting ' +
      '(ALTER ROLE … RESET session_replication_role).',
  );
}

export const SKIP_TRIGGERS = "SET LOCAL session_replication_role = 'replica'";

async function whyNotSkipped(session: Connection): Promise<DatabaseFailure | undefined> {
  await session.change('SAVEPOINT skipping');
  try {
    await session.change(SKIP_TRIGGERS);
    return undefined;
  } catch (error) {
    if (error instanceof DatabaseFailure && error.state === '42501') return error;
    throw error;
  } finally {
    await session.change('ROLLBACK TO SAVEPOINT skipping').catch(() => undefined);
  }
}

function undecided(message: string): KeyRotationError {
  return new KeyRotationError('TRIGGERS_UNDECIDED', message);
}

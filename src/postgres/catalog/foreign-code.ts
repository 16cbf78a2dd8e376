import { KeyRotationError } from '../../format/error.ts';
import type { Connection } from '../connection/database.ts';
import type { ColumnSpec } from './column.ts';
import { partitionsOf } from './partition-tree.ts';
import { TRUSTED } from './trusted-roles.ts';

/** A table of objects that the planner takes for short. */
const short = (objects: string) => `
    SELECT object.class, object.id
      FROM unnest(ARRAY(SELECT class FROM ${objects}), ARRAY(SELECT id FROM ${objects})) object(class, id)`;

/** The numbers in a field of an expression's nodes. A regular expression over the whole text takes ten times as long. */
const numbersIn = (tree: string, field: string) => `
  LATERAL (SELECT substring(left(rest, 10), '^\\d+')::oid
             FROM unnest((string_to_array(${tree}, '${field} '))[2:]) rest) number(id)`;

/**
 * Functions that a statement on the table may call and that decide for their owner, not for the user: functions of a role
 * that is not trusted, and functions of others that run SQL or other code or change the session, in an expression, an
 * operator or a cast of such a role. What is stable by its own word is believed of a trusted role.
 *
 * `linked` begins with the table, its partitions and its ancestors, whose keys make up its partition constraint. It
 * follows `pg_depend` to types, functions and operators, and the links that `pg_depend` lacks, such as the type that
 * JSON_VALUE returns. A plain DEFAULT is left out, since no update evaluates it. `pg_depend` omits built-in functions:
 * they are read out of the expressions. Policies are among them where they hold for this user.
 *
 * Tables and links go through arrays, which the planner takes for short. It expects millions of rows of a recursion. It
 * would read whole catalogs for them, and make room for as many as fit in `work_mem`: that took several milliseconds
 * instead of one, several times in each batch.
 */
const FOREIGN_CODE = `
  WITH RECURSIVE tables AS MATERIALIZED (
    SELECT id FROM unnest(ARRAY(
      SELECT $1::oid
       UNION SELECT id FROM ${partitionsOf('$1::oid')} tree(id)
       UNION SELECT relid FROM pg_partition_ancestors($1::oid::regclass))) id),
  ${TRUSTED},
  foreigners AS (SELECT oid, rolname FROM pg_roles WHERE oid NOT IN (SELECT oid FROM trusted)),
  parts(class, id) AS (
    SELECT 'pg_class'::regclass::oid, id FROM tables
     UNION ALL SELECT 'pg_class'::regclass, indexrelid FROM pg_index WHERE indrelid IN (SELECT id FROM tables)
     UNION ALL SELECT 'pg_constraint'::regclass, oid FROM pg_constraint WHERE conrelid IN (SELECT id FROM tables)
     UNION ALL SELECT 'pg_statistic_ext'::regclass, oid FROM pg_statistic_ext WHERE stxrelid IN (SELECT id FROM tables)
     UNION ALL SELECT 'pg_attrdef'::regclass, d.oid
                 FROM pg_attrdef d JOIN pg_attribute a ON a.attrelid = d.adrelid AND a.attnum = d.adnum
                WHERE d.adrelid IN (SELECT id FROM tables) AND a.attgenerated <> ''
     UNION ALL SELECT 'pg_policy'::regclass, oid FROM pg_policy
                WHERE polrelid = $1::oid AND row_security_active($1::oid)),
  first(class, id) AS MATERIALIZED (${short('parts')}),
  own_expressions(tree, owner) AS MATERIALIZED (
    SELECT d.adbin::text, c.relowner
      FROM first f JOIN pg_attrdef d ON d.oid = f.id JOIN pg_class c ON c.oid = d.adrelid
     WHERE f.class = 'pg_attrdef'::regclass
     UNION ALL
    SELECT k.conbin::text, c.relowner
      FROM first f JOIN pg_constraint k ON k.oid = f.id JOIN pg_class c ON c.oid = k.conrelid
     WHERE f.class = 'pg_constraint'::regclass
     UNION ALL
    SELECT concat(i.indexprs::text, i.indpred::text, p.partexprs::text), c.relowner
      FROM first f JOIN pg_class c ON c.oid = f.id
      LEFT JOIN pg_index i ON i.indexrelid = c.oid
      LEFT JOIN pg_partitioned_table p ON p.partrelid = c.oid
     WHERE f.class = 'pg_class'::regclass
     UNION ALL
    -- A column since version 14.
    SELECT to_jsonb(s) ->> 'stxexprs', s.stxowner
      FROM first f JOIN pg_statistic_ext s ON s.oid = f.id WHERE f.class = 'pg_statistic_ext'::regclass
     UNION ALL
    SELECT concat(p.polqual::text, p.polwithcheck::text), c.relowner
      FROM first f JOIN pg_policy p ON p.oid = f.id JOIN pg_class c ON c.oid = p.polrelid
     WHERE f.class = 'pg_policy'::regclass),
  linked(class, id) AS (
    SELECT class, id FROM first
     UNION ALL
    SELECT 'pg_type'::regclass, id FROM own_expressions CROSS JOIN ${numbersIn('tree', ':typid')}
     UNION
    SELECT next.class, next.id
      FROM linked r
     CROSS JOIN LATERAL (
       SELECT array_agg(class) AS classes, array_agg(id) AS ids FROM (
        SELECT refclassid, refobjid FROM pg_depend
         WHERE classid = r.class AND objid = r.id
           AND refclassid IN ('pg_type'::regclass, 'pg_proc'::regclass, 'pg_operator'::regclass)
         UNION ALL
        SELECT 'pg_operator'::regclass, other FROM pg_operator o CROSS JOIN unnest(ARRAY[o.oprcom, o.oprnegate]) other
         WHERE r.class = 'pg_operator'::regclass AND o.oid = r.id
         UNION ALL
        SELECT 'pg_class'::regclass, typrelid FROM pg_type WHERE r.class = 'pg_type'::regclass AND oid = r.id
         UNION ALL
        SELECT each.class, each.id
          FROM pg_constraint k
         CROSS JOIN LATERAL (
           SELECT 'pg_constraint'::regclass::oid, k.oid
            UNION ALL
           SELECT 'pg_type'::regclass, id FROM ${numbersIn('k.conbin::text', ':typid')}) each(class, id)
         WHERE r.class = 'pg_type'::regclass AND k.contypid = r.id
         UNION ALL
        -- to_json looks for a cast by itself.
        SELECT 'pg_proc'::regclass, c.castfunc
          FROM (VALUES (r.id, 'text'::regtype::oid), (r.id, 'json'::regtype), ('text'::regtype, r.id)) pair(source, target)
          JOIN pg_cast c ON c.castsource = pair.source AND c.casttarget = pair.target
         WHERE r.class = 'pg_type'::regclass
       ) each(class, id)) found
     CROSS JOIN LATERAL unnest(found.classes, found.ids) next(class, id)
     WHERE next.id <> 0),
  reached(class, id) AS MATERIALIZED (${short('linked')}),
  expressions(tree, owner) AS (
    SELECT tree, owner FROM own_expressions
     UNION ALL
    SELECT k.conbin::text, t.typowner
      FROM reached r JOIN pg_constraint k ON k.oid = r.id JOIN pg_type t ON t.oid = k.contypid
     WHERE r.class = 'pg_constraint'::regclass),
  calls(id, caller) AS (
    SELECT number.id, f.rolname
      FROM expressions e
      JOIN foreigners f ON f.oid = e.owner
     CROSS JOIN ${numbersIn('e.tree', 'funcid')}
     UNION ALL
    -- Also the negators and commutators, which the planner may take instead.
    SELECT o.oprcode::oid, f.rolname
      FROM reached r
      JOIN pg_operator o ON o.oid = r.id AND r.class = 'pg_operator'::regclass
      JOIN foreigners f ON f.oid = o.oprowner
     UNION ALL
    SELECT c.castfunc, pg_get_userbyid(owner)
      FROM reached r
      JOIN pg_cast c ON c.castfunc = r.id AND r.class = 'pg_proc'::regclass
     CROSS JOIN LATERAL (SELECT typowner FROM pg_type WHERE oid IN (c.castsource, c.casttarget) OFFSET 0) t(owner)
     WHERE owner IN (SELECT oid FROM foreigners))
  SELECT p.oid::regprocedure::text, f.rolname, 'function', f.rolname = current_user, session_user
    FROM reached r JOIN pg_proc p ON p.oid = r.id JOIN foreigners f ON f.oid = p.proowner
   WHERE r.class = 'pg_proc'::regclass
   UNION ALL
  SELECT p.oid::regprocedure::text, caller, 'expression', caller = current_user, session_user
    FROM calls
    -- OFFSET 0: the planner would read the whole of pg_proc.
   CROSS JOIN LATERAL (
     SELECT oid, proname, proowner, provolatile, proargtypes FROM pg_proc WHERE oid = calls.id OFFSET 0) p
   WHERE p.proowner NOT IN (SELECT oid FROM foreigners)
     AND (p.provolatile = 'v'
          AND NOT (p.oid < 16384
                   AND p.proname IN ('random', 'clock_timestamp', 'timeofday', 'gen_random_uuid', 'uuidv4', 'uuidv7'))
          -- Input functions, which find a type by its number.
          OR p.proargtypes::oid[] && ARRAY['cstring'::regtype, 'internal'::regtype]::oid[]
          -- Those that find a table, a type or a function by number or name.
          OR p.proname ~ '_to_xml|^pg_input_|^satisfies_hash_partition$|^pg_get_partition_constraintdef$|_validator$')
   UNION ALL
  -- Its query would read other tables, with code of their own.
  SELECT format('policy %I', p.polname), f.rolname, 'policy', f.rolname = current_user, session_user
    FROM reached r
    JOIN pg_policy p ON p.oid = r.id AND r.class = 'pg_policy'::regclass
    JOIN pg_class c ON c.oid = p.polrelid
    JOIN foreigners f ON f.oid = c.relowner
   WHERE concat(p.polqual::text, p.polwithcheck::text) LIKE '%{SUBLINK %'
   UNION ALL
  -- Those of PostgreSQL itself belong to a superuser.
  SELECT NULL, NULL, 'owner', NULL, NULL
   WHERE EXISTS (
     SELECT FROM reached r
      WHERE r.id >= 16384
        AND CASE r.class WHEN 'pg_class'::regclass THEN (SELECT relowner FROM pg_class WHERE oid = r.id)
                         WHEN 'pg_type'::regclass THEN (SELECT typowner FROM pg_type WHERE oid = r.id)
                         WHEN 'pg_operator'::regclass THEN (SELECT oprowner FROM pg_operator WHERE oid = r.id)
            END IN (SELECT oid FROM foreigners))
   ORDER BY 1, 2, 3
   LIMIT 1`;

/**
 * Throws `INVALID_COLUMN` if a statement on the table could run code of another role with the rights of this user. Gives
 * whether a role that is not trusted owns the table or a type or operator of it: such a role could add code at any time.
 */
export async function requireOwnCode(session: Connection, tableId: string, { table }: ColumnSpec): Promise<boolean> {
  const [found] = await session.rowsByPlan(FOREIGN_CODE, [tableId]);
  if (found === undefined) return false;
  const [name, role, kind, isCurrent, login] = found.map((cell) => cell ?? '');
  if (kind === 'owner') return true;
  const [others, advice] =
    isCurrent === 't'
      ? [
          `of ${role}, the role that ${login} has become. It could go back to ${login} (RESET ROLE), which has rights of its own. `,
          `Take these from ${login}, connect with a login that has only those of ${role}`,
        ]
      : [`of another role (${role}). `, 'Run this as its owner'];
  const texts: Readonly<Record<string, string>> = {
    policy:
      `The ${name} on ${table} has a query, which would run with your rights. The policy is ${others}` +
      `${advice}, or connect as a role with BYPASSRLS.`,
    function:
      `An expression or a type of ${table} calls ${name}, a function ${others}It would run with your rights. ` +
      `${advice}, have its owner drop that expression or cast, or give the function to a superuser.`,
    expression:
      `An expression of ${table} calls ${name}, which can run other code or change the session with your rights. The expression is ` +
      `${others}${advice}, or have its owner drop that expression.`,
  };
  throw new KeyRotationError('INVALID_COLUMN', texts[kind ?? ''] ?? '');
}

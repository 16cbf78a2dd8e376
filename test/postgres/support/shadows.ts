import type { Clinic } from './clinic.ts';

/** Functions of PostgreSQL that `src/postgres` calls; with what arguments they are found again in the catalog. */
const FUNCTIONS = [
  ...['format', 'to_regclass', 'to_regnamespace', 'parse_ident', 'quote_ident', 'format_type', 'pg_get_userbyid'],
  ...['pg_is_in_recovery', 'row_security_active', 'has_column_privilege', 'pg_partition_tree', 'pg_relation_filenode'],
  ...['array_upper', 'octet_length', 'length', 'get_byte', 'substring', 'jsonb_typeof', 'jsonb_array_elements'],
  ...['pg_export_snapshot', 'pg_current_snapshot', 'pg_postmaster_start_time', 'pg_relation_size', 'pg_table_size'],
  ...[
    'to_jsonb',
    'bool_and',
    'jsonb_typeof',
    'left',
    'pg_advisory_xact_lock',
    'now',
    'set_config',
    'current_setting',
    'lag',
    'count',
    'sum',
    'min',
    'max',
    'unnest',
  ],
];

/** Operators that `src/postgres` uses. */
const OPERATORS = ['=', '<>', '<', '<=', '>', '>=', '||', '+', '-', '*', '&', '->', '->>', '#>>', '!~', '!~~', '~~'];

/**
 * Has `role` create, in `public`, one of its own beside each function and operator that `src/postgres` uses, with the
 * very same arguments, and relations and types with the names of the catalog's. Each notes its call and makes the role
 * a superuser, if it has the rights to.
 */
export async function shadowEverything(clinic: Clinic, role: string): Promise<void> {
  await clinic.sql(`SET ROLE ${role}`);
  try {
    await clinic.sql('CREATE TABLE public.was_called (what pg_catalog.text)');
    await clinic.sql('GRANT ALL ON public.was_called TO PUBLIC');
    await clinic.sql(`CREATE FUNCTION public.note_call(pg_catalog.text) RETURNS pg_catalog.void LANGUAGE plpgsql AS $$ BEGIN
      INSERT INTO public.was_called VALUES ($1); ALTER ROLE ${role} SUPERUSER; END $$`);
    // Nearer to what is called than the catalog's own, which take any number of arguments of any type.
    for (const args of ['text, name', 'text, name, name', 'text, name, name, name']) {
      await clinic.sql(`CREATE FUNCTION public.format(${args}) RETURNS pg_catalog.text LANGUAGE plpgsql AS
        $$ BEGIN PERFORM public.note_call('format'); RETURN 'public.decoy'; END $$`);
    }
    for (const name of FUNCTIONS) await shadowFunctions(clinic, name);
    for (const name of OPERATORS) await shadowOperators(clinic, name);
    for (const name of ['pg_class', 'pg_attribute', 'pg_index', 'pg_namespace', 'pg_type', 'pg_trigger', 'pg_roles']) {
      await clinic.sql(`CREATE TABLE public.${name} (forged pg_catalog.int4)`);
    }
    for (const name of ['text', 'bytea', 'int4', 'oid', 'jsonb', 'regclass']) {
      await clinic.sql(`CREATE TYPE public.${name} AS ENUM ('forged')`);
    }
  } finally {
    await clinic.sql('RESET ROLE');
  }
}

interface Signature {
  readonly args: string;
  readonly result: string;
}

/** Plain functions of this name: a role may not make aggregates of every kind, and needs none to be found first. */
async function shadowFunctions(clinic: Clinic, name: string): Promise<void> {
  const signatures = await clinic.sql<Signature>(
    `SELECT pg_catalog.pg_get_function_identity_arguments(oid) AS args, pg_catalog.pg_get_function_result(oid) AS result
       FROM pg_catalog.pg_proc WHERE pronamespace = 'pg_catalog'::regnamespace AND proname = $1 AND prorettype <> 0`,
    [name],
  );
  for (const { args, result } of signatures) {
    if (/internal|cstring|ORDER BY/.test(`${args} ${result}`)) continue;
    await tryTo(
      clinic,
      `CREATE FUNCTION public.${name}(${args.replace(/OUT .*/, '').replace(/,\s*$/, '')}) RETURNS ${result} LANGUAGE plpgsql AS
       $$ BEGIN PERFORM public.note_call('${name}'); RETURN ${/^(SETOF|TABLE)/.test(result) ? '' : 'NULL'}; END $$`,
    );
  }
}

async function shadowOperators(clinic: Clinic, name: string): Promise<void> {
  const operands = await clinic.sql<{ lefttype: string; righttype: string; result: string }>(
    `SELECT oprleft::pg_catalog.regtype::pg_catalog.text AS lefttype, oprright::pg_catalog.regtype::pg_catalog.text AS righttype,
            oprresult::pg_catalog.regtype::pg_catalog.text AS result
       FROM pg_catalog.pg_operator WHERE oprnamespace = 'pg_catalog'::regnamespace AND oprname OPERATOR(pg_catalog.=) $1
        AND oprkind OPERATOR(pg_catalog.=) 'b'`,
    [name],
  );
  for (const [index, { lefttype, righttype, result }] of operands.entries()) {
    const made = `public.shadow_${Buffer.from(name).toString('hex')}_${index}`;
    await tryTo(
      clinic,
      `CREATE FUNCTION ${made}(${lefttype}, ${righttype}) RETURNS ${result} LANGUAGE plpgsql AS
         $$ BEGIN PERFORM public.note_call('operator ${name}'); RETURN NULL; END $$;
       CREATE OPERATOR public.${name} (LEFTARG = ${lefttype}, RIGHTARG = ${righttype}, FUNCTION = ${made})`,
    );
  }
}

/** Some signatures no role but a superuser may have; PostgreSQL refuses them to an attacker too. */
async function tryTo(clinic: Clinic, statement: string): Promise<void> {
  await clinic.sql(statement).catch(() => undefined);
}

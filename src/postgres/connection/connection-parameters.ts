import { KeyRotationError } from '../../format/error.ts';

export type Environment = Readonly<Record<string, string | undefined>>;

/** Parameters that are obeyed, by libpq's names, with libpq's variables where there is one. */
const OBEYED = {
  host: 'PGHOST',
  port: 'PGPORT',
  dbname: 'PGDATABASE',
  user: 'PGUSER',
  password: 'PGPASSWORD',
  options: 'PGOPTIONS',
  application_name: 'PGAPPNAME',
  fallback_application_name: undefined,
  connect_timeout: 'PGCONNECT_TIMEOUT',
  target_session_attrs: 'PGTARGETSESSIONATTRS',
  channel_binding: 'PGCHANNELBINDING',
  sslmode: 'PGSSLMODE',
  sslrootcert: 'PGSSLROOTCERT',
  sslcert: 'PGSSLCERT',
  sslkey: 'PGSSLKEY',
  sslpassword: undefined,
  sslcrl: 'PGSSLCRL',
  sslnegotiation: 'PGSSLNEGOTIATION',
  ssl_min_protocol_version: 'PGSSLMINPROTOCOLVERSION',
  ssl_max_protocol_version: 'PGSSLMAXPROTOCOLVERSION',
  schema: undefined,
} as const;

export type Parameter = keyof typeof OBEYED;

/** What counts where neither the URL nor a variable says it. */
export type Defaults = Readonly<Partial<Record<Parameter, string>>>;

/** Parameters of which one value says what happens here anyway, and is accepted; any other is refused. */
const FIXED: ReadonlyMap<string, { readonly variable?: string; readonly accepted: RegExp }> = new Map(
  Object.entries({
    client_encoding: { variable: 'PGCLIENTENCODING', accepted: /^(utf-?8|unicode|auto)$/i },
    gssencmode: { variable: 'PGGSSENCMODE', accepted: /^(disable|prefer)$/ },
    load_balance_hosts: { variable: 'PGLOADBALANCEHOSTS', accepted: /^disable$/ },
    sslsni: { variable: 'PGSSLSNI', accepted: /^1$/ },
    sslcompression: { variable: 'PGSSLCOMPRESSION', accepted: /^0$/ },
    sslcertmode: { variable: 'PGSSLCERTMODE', accepted: /^allow$/ },
    uselibpqcompat: { accepted: /^true$/ },
  }),
);

/** Variables of libpq that name another server, or ask for a proof of its identity that is not asked for here. */
const REFUSED_VARIABLES = [
  ...['PGSERVICE', 'PGSERVICEFILE', 'PGHOSTADDR', 'PGREQUIREAUTH', 'PGREQUIREPEER', 'PGREQUIRESSL', 'PGSSLCRLDIR'],
  ...['PGKRBSRVNAME', 'PGGSSLIB', 'PGGSSDELEGATION', 'PGMINPROTOCOLVERSION', 'PGMAXPROTOCOLVERSION'],
];

/** What to say instead of a parameter that other tools have. */
const INSTEAD: ReadonlyMap<string, string> = new Map(
  Object.entries({
    pgbouncer: 'Name the server itself, not its pooler.',
    ssl: "Say sslmode=verify-full with sslrootcert, or another of psql's modes: tools understand ssl differently.",
    sslaccept: 'Say sslmode=verify-full with sslrootcert.',
    currentSchema: 'Say schema.',
    search_path: 'Say schema.',
    service: 'Name the database in the URL.',
    hostaddr: 'Say host.',
    passfile: 'Set PGPASSFILE.',
  }),
);

/** A parameter: of the URL, else of its variable, else its default. Empty counts as not given, as for libpq. */
export function valueOf(
  parameter: Parameter,
  inUrl: ReadonlyMap<string, string>,
  environment: Environment,
  defaults: Defaults,
): string | undefined {
  const variable = OBEYED[parameter];
  const said = [inUrl.get(parameter), variable === undefined ? undefined : environment[variable]];
  return [...said, defaults[parameter]].find((value) => value !== undefined && value !== '');
}

/** Throws `INVALID_SETTINGS` for the first parameter or variable that is not obeyed, by its name. */
export function requireObeyed(inUrl: ReadonlyMap<string, string>, environment: Environment): void {
  const isGiven = (variable: string) => (environment[variable] ?? '') !== '';
  const ignored = [
    ...REFUSED_VARIABLES.filter(isGiven),
    ...[...FIXED.values()].flatMap(({ variable, accepted }) =>
      variable !== undefined && isGiven(variable) && !accepted.test(environment[variable] ?? '') ? [variable] : [],
    ),
  ];
  if (ignored[0] !== undefined) {
    throw invalid(
      `The variable ${ignored[0]} is not supported here, and another server or less protection could be meant. Unset it, and ` +
        'name the database in --database-url: postgres://user@host:5432/database?sslmode=verify-full&sslrootcert=ca.pem.',
    );
  }
  for (const [name, value] of inUrl) {
    if (Object.hasOwn(OBEYED, name) || FIXED.get(name)?.accepted.test(value) === true) continue;
    throw invalid(
      `The URL of the database has ${named(name, inUrl)}, which is not supported here. ` +
        (INSTEAD.get(name) ?? `Leave it out, or use one of ${Object.keys(OBEYED).join(', ')}.`),
    );
  }
}

/** What follows an `&` of a password that was not percent-encoded looks like a parameter. */
function named(name: string, inUrl: ReadonlyMap<string, string>): string {
  const mayBePassword = ['password', 'sslpassword'].some((secret) => (inUrl.get(secret) ?? '') !== '');
  const isFixed = FIXED.has(name);
  return mayBePassword && !isFixed && !INSTEAD.has(name)
    ? 'a parameter (not shown, since it may be part of a password)'
    : `the parameter ${JSON.stringify(name)}${isFixed ? ' with this value' : ''}`;
}

function invalid(message: string): KeyRotationError {
  return new KeyRotationError('INVALID_SETTINGS', message);
}

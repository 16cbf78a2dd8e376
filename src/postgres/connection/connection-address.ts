import { KeyRotationError } from '../../format/error.ts';

/** Parameters of a URL that `pg` obeys. `schema` is ours: see `connectionAddress`. */
const OBEYED = new Set([
  ...['host', 'port', 'user', 'password', 'options', 'application_name', 'fallback_application_name'],
  ...['ssl', 'sslmode', 'sslcert', 'sslkey', 'sslrootcert', 'sslnegotiation', 'uselibpqcompat'],
  ...['client_encoding', 'statement_timeout', 'lock_timeout', 'idle_in_transaction_session_timeout', 'query_timeout'],
]);

/** Variables of libpq that name another server or another proof of its identity, and that `pg` does not read. */
const IGNORED_VARIABLES = [
  ...['PGSERVICE', 'PGSERVICEFILE', 'PGHOSTADDR', 'PGTARGETSESSIONATTRS', 'PGLOADBALANCEHOSTS', 'PGREQUIREAUTH'],
  ...['PGCHANNELBINDING', 'PGSSLCERT', 'PGSSLKEY', 'PGSSLROOTCERT', 'PGSSLCRL', 'PGSSLCRLDIR', 'PGREQUIRESSL'],
  ...['PGSSLMINPROTOCOLVERSION', 'PGSSLMAXPROTOCOLVERSION', 'PGGSSENCMODE', 'PGKRBSRVNAME'],
];

/** The address as `pg` takes it, and the schema in which unqualified names are looked up, where the URL names one. */
export interface ConnectionAddress {
  readonly address: string | undefined;
  readonly schema: string | undefined;
}

/**
 * Reads a URL. `schema=clinic` is obeyed, as Prisma does. Throws `INVALID_SETTINGS` for a parameter or a variable of
 * the environment that other tools obey and `pg` would ignore: another database would be counted than the one meant.
 */
export function connectionAddress(
  url: string | undefined,
  environment: Readonly<Record<string, string | undefined>>,
): ConnectionAddress {
  const ignored = IGNORED_VARIABLES.find((name) => (environment[name] ?? '') !== '');
  if (ignored !== undefined) {
    throw new KeyRotationError(
      'INVALID_SETTINGS',
      `The variable ${ignored} is not obeyed here, and another server could be meant. Unset it, and name the database ` +
        'in --database-url: postgres://user@host:5432/database?sslmode=verify-full&sslrootcert=ca.pem.',
    );
  }
  if (url === undefined) return { address: undefined, schema: undefined };
  // Another address would be taken for a host's name, and looked for at this machine.
  if (!/^postgres(ql)?:\/\//.test(url)) throw unreadableUrl();
  const start = url.indexOf('?');
  if (start < 0) return { address: url, schema: undefined };
  const parameters = new URLSearchParams(url.slice(start + 1));
  const schema = parameters.get('schema') ?? undefined;
  parameters.delete('schema');
  for (const name of parameters.keys()) {
    if (OBEYED.has(name)) continue;
    throw new KeyRotationError(
      'INVALID_SETTINGS',
      `The URL of the database has the parameter ${JSON.stringify(name)}, which is not obeyed here. Leave it out, or ` +
        `use one of ${[...OBEYED, 'schema'].join(', ')}.`,
    );
  }
  const rest = parameters.toString();
  return { address: `${url.slice(0, start)}${rest === '' ? '' : `?${rest}`}`, schema };
}

/** The URL is never quoted: it may hold a password. */
export function unreadableUrl(): KeyRotationError {
  return new KeyRotationError(
    'INVALID_SETTINGS',
    'The database is named by no URL that can be read: expected postgres://user@host:5432/database, with special characters percent-encoded.',
  );
}

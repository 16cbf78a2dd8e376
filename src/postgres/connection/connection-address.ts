import { KeyRotationError } from '../../format/error.ts';
import { valueOf, requireObeyed, type Defaults, type Environment, type Parameter } from './connection-parameters.ts';

export interface Host {
  readonly host: string;
  readonly port: number;
}

export interface ConnectionAddress {
  readonly hosts: readonly Host[];
  readonly database: string | undefined;
  /** Where unqualified names of tables are looked up; `?schema=` of the URL, as Prisma has it. */
  readonly schema: string | undefined;
  /** Every other parameter: of the URL, else of its variable. */
  readonly of: (parameter: Parameter) => string | undefined;
}

/** User, host list, database, parameters. An `@` within a password, or a `/`, `?`, `#` of one before the `@`, fits nowhere. */
const URL_FORM = /^postgres(?:ql)?:\/\/(?:([^@/?#]*)@)?([^@/?#]*)(?:\/([^@?#]*))?(?:\?([^@#]*))?$/;
const HOST_FORM = /^(?:\[([0-9a-f:.%]+)\]|([a-z0-9._-]*|%2f[^:]*))(?::(\d*))?$/i;

const DEFAULT_HOST = 'localhost';
const DEFAULT_PORT = 5432;

/**
 * Reads a URL, and for what it leaves out the variables of libpq, as psql does. Throws `INVALID_SETTINGS` for a
 * parameter or a variable that other tools obey and this one does not: another database would be read than the one
 * meant, or with less protection.
 */
export function connectionAddress(
  url: string | undefined,
  environment: Environment,
  defaults: Defaults = {},
): ConnectionAddress {
  const inUrl = url === undefined ? new Map<string, string>() : parametersIn(url);
  requireObeyed(inUrl, environment);
  const of = (parameter: Parameter) => valueOf(parameter, inUrl, environment, defaults);
  return {
    hosts: hostsOf(of('host') ?? '', of('port') ?? ''),
    database: of('dbname'),
    schema: of('schema'),
    of,
  };
}

export function isThisMachine({ host }: Host): boolean {
  return isSocket({ host }) || host === 'localhost' || host === '::1' || /^127\.[\d.]+$/.test(host);
}

export function isSocket({ host }: Pick<Host, 'host'>): boolean {
  return host.startsWith('/');
}

/** The URL is never quoted: it may hold a password. */
function unreadableUrl(): KeyRotationError {
  return new KeyRotationError(
    'INVALID_SETTINGS',
    'The URL of the database cannot be read: expected postgres://user@host:5432/database, with special characters ' +
      'of the user and the password percent-encoded (/ as %2F, ? as %3F, # as %23, @ as %40).',
  );
}

/** The parts of a URL by libpq's names for them. What is said after the `?` counts more than what is before it. */
function parametersIn(url: string): ReadonlyMap<string, string> {
  const found = URL_FORM.exec(url);
  if (found === null) throw unreadableUrl();
  const [, userinfo = '', authority = '', path = '', query = ''] = found;
  const [user = '', ...password] = userinfo.split(':');
  const hosts = authority.split(',').map(hostAndPort);
  const parts = new Map([
    ['user', decoded(user)],
    ['password', decoded(password.join(':'))],
    ['dbname', decoded(path)],
    ['host', hosts.map(({ host }) => host).join(',')],
    ['port', hosts.some(({ port }) => port !== '') ? hosts.map(({ port }) => port).join(',') : ''],
  ]);
  for (const pair of query.split('&').filter((text) => text !== '')) {
    const at = pair.indexOf('=');
    if (at < 1) throw unreadableUrl();
    parts.set(decoded(pair.slice(0, at)), decoded(pair.slice(at + 1)));
  }
  return parts;
}

function hostAndPort(text: string): { readonly host: string; readonly port: string } {
  const found = HOST_FORM.exec(text);
  if (found === null) throw unreadableUrl();
  const [, address, name, port = ''] = found;
  return { host: decoded(address ?? name ?? ''), port };
}

/** Both lists have commas between; one port may stand for all hosts. */
function hostsOf(names: string, numbers: string): readonly Host[] {
  const hosts = names.split(',');
  const ports = numbers.split(',');
  if (ports.length > 1 && ports.length !== hosts.length) {
    throw new KeyRotationError(
      'INVALID_SETTINGS',
      `The database has ${hosts.length} hosts and ${ports.length} ports: give one port, or one for each host.`,
    );
  }
  return hosts.map((host, index) => ({
    host: host === '' ? DEFAULT_HOST : host,
    port: portOf(ports.length === 1 ? ports[0] : ports[index]),
  }));
}

function portOf(text = ''): number {
  if (text === '') return DEFAULT_PORT;
  const port = Number(text);
  if (/^\d+$/.test(text) && port >= 1 && port <= 65_535) return port;
  throw new KeyRotationError('INVALID_SETTINGS', 'The port of the database must be a number from 1 to 65535.');
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw unreadableUrl();
  }
}

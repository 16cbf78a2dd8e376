import { userInfo } from 'node:os';
import pgpass from 'pgpass';
import { KeyRotationError } from '../../format/error.ts';
import type { ConnectionAddress, Host } from './connection-address.ts';
import type { Defaults } from './connection-parameters.ts';

export interface Login extends Host {
  readonly user: string;
}

export interface Credentials {
  /** The role, the host and others, where neither the URL nor a variable says them. */
  readonly defaults?: Defaults;
  readonly password: (login: Login) => string | Promise<string>;
  /** Whether the password must not go over in clear text, whatever `sslmode` says. */
  readonly needsTls?: boolean;
}

/** The password in the file of passwords (`PGPASSFILE`, else `~/.pgpass`). It is read for each connection. */
export async function passwordInFile(login: Login, database: string): Promise<string> {
  const found = await new Promise<string | undefined>((resolve) => {
    pgpass({ ...login, database }, resolve);
  });
  if (found !== undefined) return found;
  throw invalid(
    `The database asks for the password of the role ${JSON.stringify(login.user)}: set PGPASSWORD, or add a line to ~/.pgpass ` +
      '(host:port:database:role:password, readable by you alone).',
  );
}

/** Fetches credentials. It is asked for each connection: they expire, or are rotated in the middle of a job. */
export type CredentialSource = () => Promise<Credentials>;

/** Throws `INVALID_SETTINGS` where a URL or a variable names another role, or a second password. */
export function requireOneLogin({ of }: ConnectionAddress, { defaults = {} }: Credentials): void {
  if (of('password') !== undefined) {
    throw invalid('The password is fetched: leave it out of the URL, and unset PGPASSWORD.');
  }
  const user = of('user');
  if (defaults.user !== undefined && defaults.user !== user) {
    throw invalid(
      `The secret of the database is for the role ${JSON.stringify(defaults.user)}, and the URL or PGUSER names ${JSON.stringify(user)}: name no role.`,
    );
  }
}

/** The role to log in as: by default named as the account on this machine, as in psql. */
export function roleOf({ of }: ConnectionAddress): string {
  const role = of('user');
  if (role !== undefined) return role;
  try {
    return userInfo().username;
  } catch {
    // A container may run under a number that has no name.
    throw invalid('As which role? Name it in the URL (postgres://role@host/database), or set PGUSER.');
  }
}

function invalid(message: string): KeyRotationError {
  return new KeyRotationError('INVALID_SETTINGS', message);
}

import { readFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import type { ConnectionOptions, SecureVersion } from 'node:tls';
import { failureName, KeyRotationError } from '../../format/error.ts';
import { isSocket, isThisMachine, type ConnectionAddress, type Host } from './connection-address.ts';

/** Settings of TLS for one attempt to connect, or `false` for clear text. */
export type Tls = ConnectionOptions | false;

const MODES = ['disable', 'allow', 'prefer', 'require', 'verify-ca', 'verify-full'] as const;
type Mode = (typeof MODES)[number];

/** Modes under which no clear text and no unknown server is possible. */
const STRICT: readonly Mode[] = ['require', 'verify-ca', 'verify-full'];

const VERSIONS: readonly SecureVersion[] = ['TLSv1', 'TLSv1.1', 'TLSv1.2', 'TLSv1.3'];

/** The list of authorities that Node has, with those of NODE_EXTRA_CA_CERTS. */
const SYSTEM = 'system';

/**
 * The attempts that `sslmode` asks for, in order, with psql's meaning: a later one follows only if the one before failed
 * over TLS itself. Beyond this machine there is one difference: no mode but `disable` falls back to clear text, and no
 * mode at all is refused. Throws `INVALID_SETTINGS`.
 */
export async function tlsAttempts(host: Host, address: ConnectionAddress): Promise<readonly Tls[]> {
  if (isSocket(host)) return [false];
  const mode = modeOf(host, address);
  if (mode === 'disable') return [false];
  const tls = await settingsOf(mode, address);
  if (!isThisMachine(host) || STRICT.includes(mode)) return [tls];
  return mode === 'allow' ? [false, tls] : [tls, false];
}

function modeOf(host: Host, { of }: ConnectionAddress): Mode {
  const isSystem = of('sslrootcert') === SYSTEM;
  const given = of('sslmode') ?? (isSystem ? 'verify-full' : undefined);
  if (given === undefined && !isThisMachine(host)) {
    throw invalid(
      `The database at ${host.host} is on another machine, and nothing says how its connection is protected. Add ` +
        'sslmode=verify-full&sslrootcert=FILE to the URL, or set PGSSLMODE and PGSSLROOTCERT. FILE has the certificate ' +
        'authority of the server; for Amazon RDS it is https://truststore.pki.rds.amazonaws.com/global/global-bundle.pem. ' +
        'sslmode=disable sends the password and every row in clear text.',
    );
  }
  const mode = MODES.find((one) => one === (given ?? 'prefer'));
  if (mode === undefined) {
    throw invalid(
      `sslmode must be one of ${MODES.join(', ')}. To connect without verifying the server, use 'require'.`,
    );
  }
  if (isSystem && mode !== 'verify-full') {
    throw invalid('sslrootcert=system needs sslmode=verify-full: anyone can have a certificate of a public authority.');
  }
  if (negotiation(of('sslnegotiation')) === 'direct' && !STRICT.includes(mode)) {
    throw invalid('sslnegotiation=direct needs sslmode=require, verify-ca or verify-full.');
  }
  return mode;
}

/** How TLS begins: `direct` without a question to the server, which PostgreSQL 17 and newer understand. */
export function negotiation(given = 'postgres'): 'postgres' | 'direct' {
  if (given === 'postgres' || given === 'direct') return given;
  throw invalid('sslnegotiation must be postgres or direct.');
}

async function settingsOf(mode: Mode, { of }: ConnectionAddress): Promise<ConnectionOptions> {
  const root = of('sslrootcert');
  const ca = root === SYSTEM ? undefined : await fileOf('sslrootcert', root, 'root.crt');
  const isVerified = ca !== undefined || root === SYSTEM;
  if (!isVerified && mode.startsWith('verify')) {
    throw invalid(
      `sslmode=${mode} needs the certificate authority of the server: sslrootcert=FILE, or ~/.postgresql/root.crt; ` +
        'sslrootcert=system for the public ones.',
    );
  }
  const cert = await fileOf('sslcert', of('sslcert'), 'postgresql.crt');
  const key = cert === undefined ? undefined : await fileOf('sslkey', of('sslkey'), 'postgresql.key');
  if (cert !== undefined && key === undefined) {
    throw invalid('The client certificate (sslcert) needs its key: sslkey=FILE, or ~/.postgresql/postgresql.key.');
  }
  const crl = await fileOf('sslcrl', of('sslcrl'), 'root.crl');
  const passphrase = of('sslpassword');
  const minVersion = versionOf('ssl_min_protocol_version', of('ssl_min_protocol_version'));
  const maxVersion = versionOf('ssl_max_protocol_version', of('ssl_max_protocol_version'));
  return {
    rejectUnauthorized: isVerified,
    ...(mode === 'verify-full' ? {} : { checkServerIdentity: () => undefined }),
    ...(ca === undefined ? {} : { ca }),
    ...(cert === undefined ? {} : { cert, key }),
    ...(crl === undefined ? {} : { crl }),
    ...(passphrase === undefined ? {} : { passphrase }),
    ...(minVersion === undefined ? {} : { minVersion }),
    ...(maxVersion === undefined ? {} : { maxVersion }),
  };
}

/** Reads a file that is named, or the one that libpq takes by itself where it exists. */
async function fileOf(parameter: string, named: string | undefined, byItself: string): Promise<string | undefined> {
  try {
    return await readFile(named ?? join(homedir(), '.postgresql', byItself), 'utf8');
  } catch (error) {
    if (named === undefined) return undefined;
    throw invalid(`${parameter} ${named} cannot be read: ${failureName(error)}.`);
  }
}

function versionOf(parameter: string, given: string | undefined): SecureVersion | undefined {
  if (given === undefined) return undefined;
  const version = VERSIONS.find((one) => one === given);
  if (version === undefined) throw invalid(`${parameter} must be one of ${VERSIONS.join(', ')}.`);
  return version;
}

function invalid(message: string): KeyRotationError {
  return new KeyRotationError('INVALID_SETTINGS', message);
}

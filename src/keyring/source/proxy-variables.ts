import { isIP } from 'node:net';
import { KeyRotationError } from '../../format/error.ts';

type Environment = Readonly<Record<string, string | undefined>>;

export function namesProxy(environment: Environment): boolean {
  return proxyVariable('https', environment) !== undefined || proxyVariable('http', environment) !== undefined;
}

/** Its address may hold a password: show `host` only. */
export interface Proxy {
  readonly variable: string;
  readonly address: URL;
  readonly host: string;
}

/** Throws `INVALID_SETTINGS` for a value that is not an address of `http:` or `https:`, without showing it. */
export function proxyFor(protocol: 'http' | 'https', environment: Environment): Proxy | undefined {
  const found = proxyVariable(protocol, environment);
  if (found === undefined) return undefined;
  const { variable, value } = found;
  // As curl and boto3 read `proxy.example:3128`.
  const address = value.includes('://') ? value : `http://${value}`;
  if (!URL.canParse(address) || !/^https?:$/.test(new URL(address).protocol)) {
    throw new KeyRotationError(
      'INVALID_SETTINGS',
      `The environment variable ${variable} must hold the address of an HTTP proxy, such as ` +
        'http://proxy.example:3128. Its value is not such an address, and is not shown because it may hold a password.',
    );
  }
  const url = new URL(address);
  return { variable, address: url, host: `${url.hostname}:${url.port || (url.protocol === 'https:' ? 443 : 80)}` };
}

/** An entry of `NO_PROXY` covers a host and all under it, with or without a dot or `*.` before it, as in boto3. */
export function isDirect(host: string, port: number, environment: Environment): boolean {
  const name = host.toLowerCase();
  if (isLoopback(name)) return true;
  const entries = (environment['no_proxy'] ?? environment['NO_PROXY'] ?? '').toLowerCase().split(/[\s,]+/);
  return entries.some((entry) => {
    if (entry === '*') return true;
    const [, excluded = '', onlyPort] = /^(?:\*?\.)?(.*?)(?::(\d+))?$/.exec(entry) ?? [];
    if (excluded === '' || (onlyPort !== undefined && Number(onlyPort) !== port)) return false;
    return name === excluded || name.endsWith(`.${excluded}`);
  });
}

function proxyVariable(protocol: string, environment: Environment) {
  const names = [`${protocol}_proxy`, `${protocol.toUpperCase()}_PROXY`];
  const variable = names.find((name) => environment[name] !== undefined);
  const value = variable === undefined ? '' : (environment[variable] ?? '').trim();
  return variable === undefined || value === '' ? undefined : { variable, value };
}

/** A proxy has another loopback interface. */
function isLoopback(host: string): boolean {
  return (
    host === 'localhost' ||
    host.endsWith('.localhost') ||
    host === '::1' ||
    (isIP(host) === 4 && host.startsWith('127.'))
  );
}

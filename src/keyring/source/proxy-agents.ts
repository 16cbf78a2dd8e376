import http from 'node:http';
import https from 'node:https';
import { HttpProxyAgent, HttpsProxyAgent } from 'hpagent';
import { failureName, KeyRotationError } from '../../format/error.ts';
import { isDirect, proxyFor, type Proxy } from './proxy-variables.ts';

type Environment = Readonly<Record<string, string | undefined>>;
type Connect = NonNullable<http.Agent['createConnection']>;
type ConnectOptions = Parameters<Connect>[0];
type Connected = Parameters<Connect>[1];

/** As the SDK's own agents. */
const POOL = { keepAlive: true, maxSockets: 50 };

/**
 * Agents that follow `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY` (docs/adr/0020-proxies.md). Each chooses for every
 * host, since one client calls several services. `timeLimit`: milliseconds to connect to a proxy. Throws
 * `INVALID_SETTINGS`.
 */
export function proxyAgents(
  timeLimit: number,
  environment: Environment = process.env,
): { readonly httpAgent: http.Agent; readonly httpsAgent: https.Agent } {
  return {
    httpAgent: new EnvironmentAgent(proxyFor('http', environment), timeLimit, environment),
    httpsAgent: new SecureEnvironmentAgent(proxyFor('https', environment), timeLimit, environment),
  };
}

class EnvironmentAgent extends http.Agent {
  readonly #proxied: (options: ConnectOptions, connected: Connected) => boolean;

  constructor(proxy: Proxy | undefined, timeLimit: number, environment: Environment) {
    super(POOL);
    const tunnel = proxy && new HttpProxyAgent({ ...POOL, proxy: proxy.address });
    this.#proxied = tunnelling(tunnel, proxy, timeLimit, environment);
  }

  override createConnection(options: ConnectOptions, connected: Connected) {
    return this.#proxied(options, connected) ? undefined : super.createConnection(options, connected);
  }
}

class SecureEnvironmentAgent extends https.Agent {
  readonly #proxied: (options: ConnectOptions, connected: Connected) => boolean;

  constructor(proxy: Proxy | undefined, timeLimit: number, environment: Environment) {
    super(POOL);
    const tunnel = proxy && new HttpsProxyAgent({ ...POOL, proxy: proxy.address });
    this.#proxied = tunnelling(tunnel, proxy, timeLimit, environment);
  }

  override createConnection(options: ConnectOptions, connected: Connected) {
    return this.#proxied(options, connected) ? undefined : super.createConnection(options, connected);
  }
}

/** Does nothing for a host that is reached directly. */
function tunnelling(
  tunnel: http.Agent | undefined,
  proxy: Proxy | undefined,
  timeout: number,
  environment: Environment,
) {
  return (options: ConnectOptions, connected: Connected): boolean => {
    const host = options.host ?? '';
    if (tunnel === undefined || proxy === undefined || isDirect(host, Number(options.port), environment)) return false;
    tunnel.createConnection({ ...options, timeout }, (error, stream) => {
      connected?.(error && proxyError(error, proxy, host), stream);
    });
    return true;
  };
}

/** What the library says when the proxy's status is not 200. */
const REFUSED = /^Bad response: (\d{3})$/;

/** Never quotes the proxy's address, which may hold a password. */
function proxyError(error: Error, { variable, host }: Proxy, target: string): KeyRotationError {
  const status = REFUSED.exec(error.message)?.[1];
  const proxy = `the proxy ${host} of ${variable}`;
  if (status === '407') {
    return unreachable(
      `${proxy} did not accept the caller (407)`,
      `Put its user name and password into ${variable} (http://name:password@${host}), or ask the operator of the proxy.`,
    );
  }
  if (status !== undefined) {
    return unreachable(
      `${proxy} refused the connection to ${target} (${status})`,
      `Allow this target there, or add ${target} to NO_PROXY if it is reached directly (a VPC endpoint).`,
    );
  }
  const found = error.message === 'Proxy timeout' ? 'no answer in time' : failureName(error);
  return unreachable(`${proxy} was not reached (${found})`, `Check ${variable}, or add ${target} to NO_PROXY.`);
}

function unreachable(found: string, advice: string): KeyRotationError {
  return new KeyRotationError('CANNOT_REACH_AWS', `Cannot reach AWS: ${found}. ${advice}`);
}

import type { IncomingHttpHeaders } from 'node:http';
import { isIP } from 'node:net';
import { hostname } from 'node:os';

/**
 * Why a request is refused before it is read: a web page may have sent it. A browser names the page in `Origin` or
 * `Sec-Fetch-Site`; a page whose host name points to this machine (DNS rebinding) is recognised by `Host`. `names`:
 * further host names of this service. Returns `undefined` for a request that may pass.
 */
export function originRefusal(headers: IncomingHttpHeaders, names: readonly string[]): string | undefined {
  const site = headers['sec-fetch-site'];
  if (headers.origin !== undefined || (site !== undefined && site !== 'none')) return 'not for web pages';
  const name = nameIn(headers.host ?? '');
  const isKnown = isIP(name) !== 0 || [...OWN_NAMES, hostname(), ...names].some((own) => own.toLowerCase() === name);
  return isKnown ? undefined : 'not for this Host: start the service with --allow-host NAME if clients use that name';
}

const OWN_NAMES = ['localhost', 'host.docker.internal'];

/** In small letters, without port and without the brackets of an IPv6 address. */
function nameIn(host: string): string {
  const match = /^(?:\[([^\]]*)\]|([^:[\]]*?)\.?)(?::[0-9]*)?$/.exec(host);
  return (match?.[1] ?? match?.[2] ?? '').toLowerCase();
}

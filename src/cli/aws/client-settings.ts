import { defaultProvider } from '@aws-sdk/credential-provider-node';
import { proxyAgents } from '../../keyring/source/proxy-agents.ts';
import { namesProxy } from '../../keyring/source/proxy-variables.ts';

/** Milliseconds. Otherwise the SDK waits forever for an endpoint that never answers; the last one makes it throw. */
const REQUEST_LIMITS = { connectionTimeout: 3000, requestTimeout: 10_000, throwOnRequestTimeout: true } as const;

/** Less than the SDK waits, so that the error names the proxy. */
const PROXY_TIME_LIMIT = 2500;

/** For a client of any service. Throws `INVALID_SETTINGS` for a proxy variable that holds no address. */
export function clientSettings({ profile }: { readonly profile?: string }, region: string | undefined) {
  const settings = {
    maxAttempts: 2,
    ...(region === undefined ? {} : { region }),
    ...(profile === undefined ? {} : { profile }),
  };
  if (!namesProxy(process.env)) return { ...settings, requestHandler: REQUEST_LIMITS };
  const requestHandler = { ...REQUEST_LIMITS, ...proxyAgents(PROXY_TIME_LIMIT) };
  return {
    ...settings,
    requestHandler,
    // The SDK's own chain calls IAM Identity Center with a client that does not know this one's agents.
    credentials: defaultProvider({ ...(profile === undefined ? {} : { profile }), clientConfig: { requestHandler } }),
  };
}

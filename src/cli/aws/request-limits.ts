/**
 * How long a command waits for AWS, in milliseconds: to be connected, and for an answer. Without these the SDK waits
 * for ever for an endpoint that takes the connection and never answers; without the last of them it only writes a
 * warning of its own to the console.
 */
export const REQUEST_LIMITS = { connectionTimeout: 3000, requestTimeout: 10_000, throwOnRequestTimeout: true } as const;

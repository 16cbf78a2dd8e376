/** By the names of their endpoint variables. */
export type OtherService = 'KMS' | 'LAMBDA' | 'CLOUDWATCH' | 'CLOUDWATCH_LOGS' | 'CLOUDTRAIL' | 'IAM';

/** In every partition, VPC endpoints included: `vpce-….secretsmanager.us-east-1.…`. */
const HOST_OF_AWS = /(^|\.)secretsmanager(-fips)?\./;

export function isHostOfAws(host: string): boolean {
  return HOST_OF_AWS.test(host);
}

/**
 * Why a service is not called; `undefined` if it is. Where Secrets Manager is not AWS's, neither are its KMS keys and
 * its function, and made-up credentials must not be sent to AWS, unless a variable names the service's endpoint.
 * `secretsHost`: the host that answered for Secrets Manager.
 */
export function whyNotAsked(
  service: OtherService,
  secretsHost: string | undefined,
  environment: Readonly<Record<string, string | undefined>>,
): string | undefined {
  const names = [`AWS_ENDPOINT_URL_${service}`, 'AWS_ENDPOINT_URL'];
  if (names.some((name) => (environment[name] ?? '') !== '')) return undefined;
  return whyNotAws(secretsHost);
}

/** `undefined` if it is AWS's. */
export function whyNotAws(secretsHost: string | undefined): string | undefined {
  if (secretsHost !== undefined && isHostOfAws(secretsHost)) return undefined;
  return `this endpoint is not AWS's own (${secretsHost ?? 'none answered'})`;
}

/** Services that a command calls besides Secrets Manager, by the names of their endpoint variables. */
export type OtherService = 'KMS' | 'LAMBDA' | 'CLOUDWATCH' | 'CLOUDWATCH_LOGS' | 'CLOUDTRAIL' | 'IAM';

/** How every partition of AWS spells its endpoints, including VPC endpoints: `vpce-….secretsmanager.us-east-1.…`. */
const HOST_OF_AWS = /(^|\.)secretsmanager(-fips)?\./;

export function isHostOfAws(host: string): boolean {
  return HOST_OF_AWS.test(host);
}

/**
 * Why a service is not called; `undefined` if it is. If Secrets Manager is not AWS's, its KMS keys and its function are
 * not at AWS either, and credentials made up for it must not be sent there, unless a variable names the service's
 * endpoint. `secretsHost`: the host that answered for Secrets Manager.
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

/** Why the Secrets Manager at `secretsHost`, the host that answered, is not AWS's; `undefined` if it is. */
export function whyNotAws(secretsHost: string | undefined): string | undefined {
  if (secretsHost !== undefined && isHostOfAws(secretsHost)) return undefined;
  return `this endpoint is not AWS's own (${secretsHost ?? 'none answered'})`;
}

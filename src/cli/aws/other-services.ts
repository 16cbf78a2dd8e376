/** Services that a command asks beside Secrets Manager, as the variables of their endpoints name them. */
export type OtherService = 'KMS' | 'LAMBDA' | 'CLOUDWATCH_LOGS';

/** As every partition of AWS spells its endpoints, VPC endpoints included: `vpce-….secretsmanager.us-east-1.…`. */
const HOST_OF_AWS = /(^|\.)secretsmanager(-fips)?\./;

export function isHostOfAws(host: string): boolean {
  return HOST_OF_AWS.test(host);
}

/**
 * Why a service is not asked; `undefined` where it is. A Secrets Manager that is not AWS's has its KMS keys and its
 * function nowhere at AWS, and credentials made up for it have no business there, unless a variable names where that
 * service is. `secretsHost`: who answered for Secrets Manager.
 */
export function whyNotAsked(
  service: OtherService,
  secretsHost: string | undefined,
  environment: Readonly<Record<string, string | undefined>>,
): string | undefined {
  const names = [`AWS_ENDPOINT_URL_${service}`, 'AWS_ENDPOINT_URL'];
  if (names.some((name) => (environment[name] ?? '') !== '')) return undefined;
  if (secretsHost !== undefined && isHostOfAws(secretsHost)) return undefined;
  return `Secrets Manager is not AWS's here (${secretsHost ?? 'none answered'})`;
}

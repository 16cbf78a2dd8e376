/** The region in the ARN of a KMS key; `undefined` for an id or an alias of the caller's own region. */
export function kmsRegion(keyId: string): string | undefined {
  return /^arn:[^:]+:kms:([^:]+):/.exec(keyId)?.[1];
}

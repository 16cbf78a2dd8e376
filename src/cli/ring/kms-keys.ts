import type { RingReport, VersionReport } from '../status/ring-report.ts';

/** How requests name the KMS key that AWS manages, and how a list of versions names it. */
export const MANAGED_ALIAS = 'alias/aws/secretsmanager';
export const MANAGED_KEY = 'DefaultEncryptionKey';

/** Whether two names mean one KMS key: two equal ARNs, or an id and an ARN that ends in it. */
export function isSameKmsKey(one: string, other: string): boolean {
  const [a, b] = [canonical(one), canonical(other)];
  if (a.startsWith('arn:') && b.startsWith('arn:')) return a === b;
  return idIn(a) === idIn(b);
}

function canonical(keyId: string): string {
  return keyId === MANAGED_ALIAS ? MANAGED_KEY : keyId;
}

function idIn(keyId: string): string {
  return keyId.slice(keyId.lastIndexOf('/') + 1);
}

/** Whether a version is under this KMS key alone. `undefined`: AWS does not say which one it needs. */
export function isUnder(kmsKeyIds: readonly string[], keyId: string): boolean | undefined {
  return kmsKeyIds.length === 0 ? undefined : kmsKeyIds.every((one) => isSameKmsKey(one, keyId));
}

/** The numbered versions that need another KMS key than the secret's. None is known where that is an alias. */
export function underOtherKmsKey({ versions, kmsKeyId = MANAGED_ALIAS }: RingReport): readonly VersionReport[] {
  if (kmsKeyId !== MANAGED_ALIAS && kmsKeyId.includes('alias/')) return [];
  return versions.filter(({ number, kmsKeyIds }) => number !== undefined && isUnder(kmsKeyIds, kmsKeyId) === false);
}

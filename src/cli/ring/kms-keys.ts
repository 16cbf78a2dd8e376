import type { RingReport, VersionReport } from '../status/ring-report.ts';

/** In requests, and in a list of versions. */
export const MANAGED_ALIAS = 'alias/aws/secretsmanager';
export const MANAGED_KEY = 'DefaultEncryptionKey';

/** Two equal ARNs, or an id and an ARN that ends in it. */
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

/** And under no other. `undefined`: AWS does not say which one the version needs. */
export function isUnder(kmsKeyIds: readonly string[], keyId: string): boolean | undefined {
  return kmsKeyIds.length === 0 ? undefined : kmsKeyIds.every((one) => isSameKmsKey(one, keyId));
}

/** Numbered versions. None is known where the secret's KMS key is an alias. */
export function underOtherKmsKey({ versions, kmsKeyId = MANAGED_ALIAS }: RingReport): readonly VersionReport[] {
  if (kmsKeyId !== MANAGED_ALIAS && kmsKeyId.includes('alias/')) return [];
  return versions.filter(({ number, kmsKeyIds }) => number !== undefined && isUnder(kmsKeyIds, kmsKeyId) === false);
}

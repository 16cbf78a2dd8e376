/** The AWS managed key: it may be named in requests and is left out of answers. */
const MANAGED_KEY = 'alias/aws/secretsmanager';

/** "If the secret is encrypted with the AWS managed key aws/secretsmanager, this field is omitted" (DescribeSecret). */
export function keyOf(kmsKeyId: string | undefined): { readonly kmsKeyId?: string } {
  return kmsKeyId === undefined || kmsKeyId === '' || kmsKeyId === MANAGED_KEY ? {} : { kmsKeyId };
}

/** As ListSecretVersionIds names the key: recorded for the managed one. */
export function keyIdsOf(kmsKeyId: string | undefined): readonly string[] {
  return [kmsKeyId ?? 'DefaultEncryptionKey'];
}

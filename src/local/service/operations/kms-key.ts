/** What stands for "no key of your own", in requests and, left out, in answers. */
const MANAGED_KEY = 'alias/aws/secretsmanager';

/** "If the secret is encrypted with the AWS managed key aws/secretsmanager, this field is omitted" (DescribeSecret). */
export function keyOf(kmsKeyId: string | undefined): { readonly kmsKeyId?: string } {
  return kmsKeyId === undefined || kmsKeyId === '' || kmsKeyId === MANAGED_KEY ? {} : { kmsKeyId };
}

/** How ListSecretVersionIds names the key of a version: recorded for the managed one. */
export function keyIdsOf(kmsKeyId: string | undefined): readonly string[] {
  return [kmsKeyId ?? 'DefaultEncryptionKey'];
}

import type { SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import type { VersionStages } from '../format/ring-labels.ts';

/** What `DescribeSecret` says, as far as a ring reads it. */
export interface SecretDescription {
  readonly ARN?: string | undefined;
  readonly VersionIdsToStages?: VersionStages | undefined;
  /** Set while the secret waits to be deleted: its values cannot be read. */
  readonly DeletedDate?: Date | undefined;
  /** Tags of the secret: they hold the records of retired keys. */
  readonly Tags?: readonly { readonly Key?: string | undefined; readonly Value?: string | undefined }[] | undefined;
  /** Region of the original, where this secret is (or has) a replica. */
  readonly PrimaryRegion?: string | undefined;
}

/** Whether this is a replica: a secret with replicas names the region of its original, there too. */
export function isReplica({ ARN, PrimaryRegion }: SecretDescription): boolean {
  return PrimaryRegion !== undefined && ARN?.split(':')[3] !== PrimaryRegion;
}

/** What `GetSecretValue` says of one version. */
export interface SecretVersion {
  readonly SecretString?: string | undefined;
  readonly SecretBinary?: Uint8Array | undefined;
  readonly VersionStages?: readonly string[] | undefined;
}

/**
 * The two calls of an application, both within the guide's read-only policy. Each rejects with the service's own error,
 * told by its `name`. The ring limits their time itself, and aborts `signal` when it gives up.
 */
export interface SecretSource {
  readonly describe: (signal: AbortSignal) => Promise<SecretDescription>;
  /** Reads a version by its VersionId. */
  readonly read: (versionId: string, signal: AbortSignal) => Promise<SecretVersion>;
  /** Lets go of the connections that this source has opened. A ring ignores what it throws or rejects with. */
  readonly close: () => unknown;
}

/** The secret over a client that the application made, and closes itself. */
export async function sourceOf(client: SecretsManagerClient, secretId: string): Promise<SecretSource> {
  // Loaded here, because an application with its key in the environment never needs the SDK.
  const { DescribeSecretCommand, GetSecretValueCommand } = await import('@aws-sdk/client-secrets-manager');
  return {
    describe: (abortSignal) => client.send(new DescribeSecretCommand({ SecretId: secretId }), { abortSignal }),
    read: (versionId, abortSignal) =>
      client.send(new GetSecretValueCommand({ SecretId: secretId, VersionId: versionId }), { abortSignal }),
    close: () => undefined,
  };
}

/**
 * The secret over a client of its own, with the SDK's usual credentials. `timeLimit`: milliseconds that a call has in
 * all, of which one request gets so many that a second one fits in.
 */
export async function sourceInRegion(region: string, secretId: string, timeLimit: number): Promise<SecretSource> {
  const { SecretsManagerClient: Client } = await import('@aws-sdk/client-secrets-manager');
  const client = new Client({
    region,
    maxAttempts: 3,
    // Without these the SDK waits for ever for an endpoint that takes the connection and never answers, and without
    // the last of them it only writes a warning of its own to the console.
    requestHandler: {
      connectionTimeout: timeLimit * 0.2,
      requestTimeout: timeLimit * 0.6,
      throwOnRequestTimeout: true,
    },
  });
  return {
    ...(await sourceOf(client, secretId)),
    close: () => {
      client.destroy();
    },
  };
}

import type { SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import type { VersionStages } from '../../format/ring-labels.ts';
import { readWithin, type AnswerLimits } from './limited-answer.ts';
import { namesProxy } from './proxy-variables.ts';

/** Bytes. A value has 65,536 at most, which JSON may spell with six times as many. */
const LONGEST_ANSWER = 1_000_000;

export interface SecretDescription {
  readonly ARN?: string | undefined;
  readonly VersionIdsToStages?: VersionStages | undefined;
  /** Its values cannot be read while the secret is scheduled for deletion. */
  readonly DeletedDate?: Date | undefined;
  /** They hold the retirement records. */
  readonly Tags?: readonly { readonly Key?: string | undefined; readonly Value?: string | undefined }[] | undefined;
  /** Region of the primary secret, if this secret is or has a replica. */
  readonly PrimaryRegion?: string | undefined;
}

/** A primary with replicas has `PrimaryRegion`, too: its own region. */
export function isReplica({ ARN, PrimaryRegion }: SecretDescription): boolean {
  return PrimaryRegion !== undefined && ARN?.split(':')[3] !== PrimaryRegion;
}

export interface SecretVersion {
  readonly SecretString?: string | undefined;
  readonly SecretBinary?: Uint8Array | undefined;
  readonly VersionStages?: readonly string[] | undefined;
}

/** Each call rejects with the service's own error. `signal` is aborted at the time limit. */
export interface SecretSource {
  readonly describe: (signal: AbortSignal) => Promise<SecretDescription>;
  readonly read: (versionId: string, signal: AbortSignal) => Promise<SecretVersion>;
  /** Closes the connections that this source has opened. The ring ignores exceptions and rejections. */
  readonly close: () => unknown;
}

/** Reads with the application's client. `timeLimit`: milliseconds for one answer. */
export async function sourceOf(
  client: SecretsManagerClient,
  secretId: string,
  timeLimit = 10_000,
): Promise<SecretSource> {
  // An application with its key in the environment needs no SDK.
  const { DescribeSecretCommand, GetSecretValueCommand } = await import('@aws-sdk/client-secrets-manager');
  const limits = { bytes: LONGEST_ANSWER, milliseconds: timeLimit };
  return {
    describe: (abortSignal) =>
      client.send(limited(new DescribeSecretCommand({ SecretId: secretId }), limits), { abortSignal }),
    read: (versionId, abortSignal) =>
      client.send(limited(new GetSecretValueCommand({ SecretId: secretId, VersionId: versionId }), limits), {
        abortSignal,
      }),
    close: () => undefined,
  };
}

type Wrapper = <Args, Result extends { readonly response: unknown }>(
  next: (args: Args) => Promise<Result>,
) => (args: Args) => Promise<Result>;

interface Limitable {
  readonly middlewareStack: {
    add(wrapper: Wrapper, at: { readonly step: 'deserialize'; readonly name: string; readonly priority: 'low' }): void;
  };
}

function limited<C extends Limitable>(command: C, limits: AnswerLimits): C {
  const withinLimits: Wrapper = (next) => async (args) => {
    const result = await next(args);
    await readWithin(result.response, limits);
    return result;
  };
  command.middlewareStack.add(withinLimits, { step: 'deserialize', name: 'limitAnswerOfRing', priority: 'low' });
  return command;
}

/** Uses the SDK's credentials. `timeLimit`: milliseconds for a call, of up to two requests. */
export async function sourceInRegion(region: string, secretId: string, timeLimit: number): Promise<SecretSource> {
  const { SecretsManagerClient: Client } = await import('@aws-sdk/client-secrets-manager');
  const agents = namesProxy(process.env) ? (await import('./proxy-agents.ts')).proxyAgents(timeLimit * 0.15) : {};
  const client = new Client({
    region,
    maxAttempts: 3,
    // Otherwise the SDK waits forever for an endpoint that never answers, and the last one turns a warning into an
    // error.
    requestHandler: {
      connectionTimeout: timeLimit * 0.2,
      requestTimeout: timeLimit * 0.6,
      throwOnRequestTimeout: true,
      ...agents,
    },
  });
  return {
    ...(await sourceOf(client, secretId, timeLimit)),
    close: () => {
      client.destroy();
    },
  };
}

import { GetSecretValueCommand } from '@aws-sdk/client-secrets-manager';
import { KeyRotationError, reach } from '../../format/error.ts';
import type { Credentials, CredentialSource } from '../../postgres/connection/credentials.ts';
import { refused } from '../../secret/aws-error.ts';
import type { AwsSession } from './session.ts';

const REGION_IN_ARN = /^arn:[^:]+:secretsmanager:([^:]+):/;

/** Of a server of RDS, in every partition. */
const REGION_IN_HOST = /\.([a-z0-9-]+)\.rds\.amazonaws\.com(?:\.cn)?$/;

/** As the secrets of RDS name the engines that speak PostgreSQL's protocol. */
const ENGINES = ['postgres', 'aurora-postgresql'];

/**
 * From a secret in the JSON of RDS and its rotation functions: `username`, `password`, and perhaps `host`, `port`,
 * `dbname`. Rejects with `CANNOT_REACH_AWS`, `SECRET_NOT_FOUND`, `AWS_REFUSED`, or `INVALID_SETTINGS`, which quotes
 * nothing of the secret.
 */
export function secretOfDatabase(session: AwsSession, secretId: string): CredentialSource {
  const region = REGION_IN_ARN.exec(secretId)?.[1];
  return async () => {
    const client = session.clientIn(region);
    try {
      const { SecretString } = await reach(client.send(new GetSecretValueCommand({ SecretId: secretId })));
      return credentialsIn(SecretString, secretId);
    } catch (error) {
      throw refused('GetSecretValue', secretId, error);
    } finally {
      client.destroy();
    }
  };
}

function credentialsIn(text: string | undefined, secretId: string): Credentials {
  const { username, password, host, port, dbname, engine } = membersOf(text);
  if (typeof username !== 'string' || typeof password !== 'string' || username === '' || password === '') {
    throw new KeyRotationError(
      'INVALID_SETTINGS',
      `The secret '${secretId}' is not a secret of a database: expected the JSON {"username", "password"} of RDS.`,
    );
  }
  if (typeof engine === 'string' && !ENGINES.includes(engine)) {
    throw new KeyRotationError('INVALID_SETTINGS', `The secret '${secretId}' is for another engine than PostgreSQL.`);
  }
  return {
    defaults: {
      user: username,
      ...(typeof host === 'string' ? { host } : {}),
      ...(typeof port === 'number' || typeof port === 'string' ? { port: `${port}` } : {}),
      ...(typeof dbname === 'string' ? { dbname } : {}),
    },
    password: () => password,
  };
}

function membersOf(text: string | undefined): Partial<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(text ?? '');
    return typeof value === 'object' && value !== null ? { ...value } : {};
  } catch {
    // A parser's message quotes the text.
    return {};
  }
}

/** Tokens of RDS's IAM authentication, signed on this machine. One is good for 15 minutes. */
export function rdsToken({ client, region: given }: AwsSession): CredentialSource {
  return () =>
    Promise.resolve({
      needsTls: true,
      password: async ({ host, port, user }) => {
        const { Signer } = await import('@aws-sdk/rds-signer');
        const region = REGION_IN_HOST.exec(host)?.[1] ?? given ?? (await client.config.region());
        const { credentials } = client.config;
        return reach(new Signer({ hostname: host, port, username: user, region, credentials }).getAuthToken());
      },
    });
}

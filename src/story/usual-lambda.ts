import { randomBytes } from 'node:crypto';
import {
  DescribeSecretCommand,
  PutSecretValueCommand,
  UpdateSecretVersionStageCommand,
} from '@aws-sdk/client-secrets-manager';
import type { Invoke } from '../local/lambda/lambda-interface.ts';
import type { SecretAccess } from './application.ts';

/** As usually written for a password: it stores a value, makes it `AWSCURRENT`, and numbers nothing. */
export function usualLambda(secret: () => SecretAccess): Invoke {
  return async ({ event }) => {
    if (typeof event !== 'object' || event === null || !('Step' in event) || !('ClientRequestToken' in event)) return;
    const token = String(event.ClientRequestToken);
    if (event.Step === 'createSecret') await create(secret(), token);
    if (event.Step === 'finishSecret') await finish(secret(), token);
  };
}

async function create({ client, secretId }: SecretAccess, token: string): Promise<void> {
  await client.send(
    new PutSecretValueCommand({
      SecretId: secretId,
      ClientRequestToken: token,
      SecretString: randomBytes(32).toString('base64'),
      VersionStages: ['AWSPENDING'],
    }),
  );
}

async function finish({ client, secretId }: SecretAccess, token: string): Promise<void> {
  const { VersionIdsToStages = {} } = await client.send(new DescribeSecretCommand({ SecretId: secretId }));
  const current = Object.keys(VersionIdsToStages).find((id) => VersionIdsToStages[id]?.includes('AWSCURRENT'));
  await client.send(
    new UpdateSecretVersionStageCommand({
      SecretId: secretId,
      VersionStage: 'AWSCURRENT',
      MoveToVersionId: token,
      RemoveFromVersionId: current,
    }),
  );
}

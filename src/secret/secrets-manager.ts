import {
  DescribeSecretCommand,
  GetSecretValueCommand,
  PutSecretValueCommand,
  UpdateSecretVersionStageCommand,
  type SecretsManagerClient,
} from '@aws-sdk/client-secrets-manager';
import { reach } from '../format/error.ts';
import { awsErrorName } from './aws-error.ts';
import type { SecretsManager } from './dependencies.ts';

/** Milliseconds of Lambda's time: a call that hangs ends with an error, not with a killed function. */
const TIME_RESERVE = 1500;

/** Each call is aborted shortly before Lambda's time ends. Errors that are not the service's: `CANNOT_REACH_AWS`. */
export function secretsManager(client: SecretsManagerClient, remainingTime: () => number): SecretsManager {
  const limit = () => ({ abortSignal: AbortSignal.timeout(Math.max(1, remainingTime() - TIME_RESERVE)) });
  return {
    describeSecret: (input) => reach(client.send(new DescribeSecretCommand(input), limit())),
    getSecretValue: (input) => reach(client.send(new GetSecretValueCommand(input), limit())),
    putSecretValue: (input) => reach(client.send(new PutSecretValueCommand(input), limit())).catch(withoutInput),
    updateSecretVersionStage: (input) => reach(client.send(new UpdateSecretVersionStageCommand(input), limit())),
  };
}

/** A refusal of the input may quote it, and with it a key or a `RotationToken`. */
function withoutInput(error: unknown): never {
  const name = awsErrorName(error);
  if (name !== 'ValidationException' && name !== 'SerializationException') throw error;
  throw Object.assign(new Error('the service refused the input, which is not repeated here'), { name });
}

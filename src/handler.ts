import { Logger } from '@aws-lambda-powertools/logger';
import { SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import type { Context } from 'aws-lambda';
import { randomBytes } from 'node:crypto';
import { setTimeout } from 'node:timers/promises';
import { KEY_BYTES } from './format/key-material.ts';
import { refuseNodeDebug } from './format/node-debug.ts';
import { handle, type HandlerDependencies } from './steps/handle.ts';
import { LOG_EVENTS, type Log } from './secret/log-events.ts';
import { secretsManager } from './secret/secrets-manager.ts';

const logger = new Logger({ serviceName: 'pazpaz-key-rotation' });
const client = new SecretsManagerClient({
  maxAttempts: 3,
  // Without `throwOnRequestTimeout` the SDK only warns about a request that hangs.
  requestHandler: { connectionTimeout: 2000, requestTimeout: 5000, throwOnRequestTimeout: true },
});
const proven = new Set<string>();

/** The Lambda: a step of a rotation, or an adoption on an EventBridge event. Rejects with what went wrong. */
export const handler = async (event: unknown, context: Context): Promise<void> => {
  refuseNodeDebug();
  logger.addContext(context);
  await handle(
    dependencies(() => context.getRemainingTimeInMillis()),
    event,
  );
};

function dependencies(remainingTime: () => number): HandlerDependencies {
  return {
    secrets: secretsManager(client, remainingTime),
    log,
    randomKey: () => randomBytes(KEY_BYTES),
    now: () => new Date(),
    sleep: (milliseconds) => setTimeout(milliseconds),
    remainingTime,
    proven,
    secretArn: process.env['SECRET_ARN'],
  };
}

const log: Log = (event, fields = {}) => {
  const { level, message } = LOG_EVENTS[event];
  logger[level](message, { event, ...fields });
};

import { randomUUID } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { isJsonObject, stringMember } from '../json.ts';
import type { Invoke } from '../lambda/lambda-interface.ts';
import { writeStepEvents } from './sam-files.ts';
import type { SavedState } from '../saved-state.ts';
import type { ServiceState } from '../service/state.ts';
import { CURRENT, hasLabel, PENDING } from '../service/version-stages.ts';

export const SECRET_NAME = 'pazpaz/encryption-key-v1';
const EXAMPLE_KEY = 'rT8x9kp3QwE7yLmN2oA5vK1uG4hJ6fD9cB8sZ0tX3iY=';

/** In milliseconds. */
const LOOK_EVERY = 100;

/** The ARN never changes, so that the Lambda can say that an event of an earlier run is stale. */
export function secretToRotate(region: string, accountId: string, now: number): SavedState {
  const arn = `arn:aws:secretsmanager:${region}:${accountId}:secret:${SECRET_NAME}-ByHand`;
  const lambdaArn = `arn:aws:lambda:${region}:${accountId}:function:PazPazKeyRotation`;
  const value = { kind: 'string', text: EXAMPLE_KEY } as const;
  const secret = {
    ...{ arn, name: SECRET_NAME, tags: [], createdDate: now, lastChangedDate: now },
    versions: { [randomUUID()]: { value, stages: [CURRENT], createdDate: now } },
    rotation: { enabled: true, lambdaArn, rules: { AutomaticallyAfterDays: 365 } },
  };
  return { clockOffset: 0, state: { secrets: { [arn]: secret } } };
}

export interface StepsByHandOptions {
  readonly folder: string;
  readonly state: () => ServiceState;
  /** Called with the event files whenever a rotation waits for its steps. */
  readonly waiting: (files: readonly string[]) => void;
  readonly rotated: (versionId: string) => void;
  /** The event files cannot be written; the rotation is tried again. */
  readonly failed: (error: unknown) => void;
}

/**
 * Replaces the Lambda where a person runs the steps with `sam local invoke`: writes the events into files and waits
 * until the version is current or the rotation has ended. The end of a test run cannot be seen, so it counts as passed.
 */
export function stepsByHand(options: StepsByHandOptions): Invoke {
  return async ({ event, signal }) => {
    if (!isJsonObject(event) || event['Step'] !== 'createSecret') return null;
    const arn = stringMember(event, 'SecretId') ?? '';
    const token = stringMember(event, 'ClientRequestToken') ?? '';
    try {
      options.waiting(await writeStepEvents(options.folder, { secretId: arn, token }));
    } catch (error) {
      options.failed(error);
      throw error;
    }
    while (isWaiting(options.state(), arn, token)) await pause(LOOK_EVERY, undefined, { signal });
    const { versions } = options.state().secrets[arn] ?? {};
    if (versions !== undefined && hasLabel(versions, token, CURRENT)) options.rotated(token);
    return null;
  };
}

function isWaiting(state: ServiceState, arn: string, token: string): boolean {
  const secret = state.secrets[arn];
  if (secret?.rotation?.underWay?.token !== token || secret.deletion !== undefined) return false;
  return hasLabel(secret.versions, token, PENDING) && !hasLabel(secret.versions, token, CURRENT);
}

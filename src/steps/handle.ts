import { isKeyRotationError, KeyRotationError } from '../format/error.ts';
import { adoptAndReport } from './adoption.ts';
import { createSecret } from './create-secret.ts';
import type { StepDependencies } from '../secret/dependencies.ts';
import { finishSecret } from './finish-secret.ts';
import { isRotationEvent, toRotationRequest, type RotationRequest, type Step } from './rotation-request.ts';
import { setSecret } from './set-secret.ts';
import { testSecret } from './test-secret.ts';

const STEP: Readonly<Record<Step, (deps: StepDependencies, request: RotationRequest) => Promise<void>>> = {
  createSecret,
  setSecret,
  testSecret,
  finishSecret,
};

/** What the Lambda passes with every event. Only the event says which secret it is about. */
export interface HandlerDependencies extends Omit<StepDependencies, 'secretId'> {
  /** Environment variable `SECRET_ARN`: the secret that adoption looks after. */
  readonly secretArn: string | undefined;
}

/** Rejects with a `KeyRotationError`, and AWS retries. Writes nothing on an unknown event. */
export async function handle(deps: HandlerDependencies, event: unknown): Promise<void> {
  if (isRotationEvent(event)) {
    await runStep(deps, toRotationRequest(event));
  } else if (isAdoptionEvent(event)) {
    await runAdoption(deps);
  } else {
    throw new KeyRotationError(
      'NOT_A_ROTATION_EVENT',
      `Expected a rotation event of Secrets Manager (with Step, SecretId and ClientRequestToken), or an EventBridge event (with detail-type); found neither. Rotations are started with 'aws secretsmanager rotate-secret'.`,
    );
  }
}

async function runStep(deps: HandlerDependencies, request: RotationRequest): Promise<void> {
  const about = { step: request.step, secretId: request.secretId, versionId: request.token };
  deps.log('rotation_step_started', about);
  try {
    await STEP[request.step]({ ...deps, secretId: request.secretId }, request);
  } catch (error) {
    deps.log('rotation_step_failed', { ...about, ...failure(error) });
    throw error;
  }
  deps.log('rotation_step_finished', about);
}

async function runAdoption(deps: HandlerDependencies): Promise<void> {
  const secretId = deps.secretArn;
  if (secretId === undefined || secretId === '') {
    throw new KeyRotationError(
      'NO_SECRET_CONFIGURED',
      'Adoption needs the ARN of the secret in the environment variable SECRET_ARN, found nothing. Set it on the function.',
    );
  }
  try {
    await adoptAndReport({ ...deps, secretId });
  } catch (error) {
    deps.log('adoption_failed', { secretId, ...failure(error) });
    throw error;
  }
}

/** A change of the secret that CloudTrail reported, or the daily tick. */
function isAdoptionEvent(event: unknown): boolean {
  return (
    typeof event === 'object' && event !== null && 'detail-type' in event && typeof event['detail-type'] === 'string'
  );
}

function failure(error: unknown): { code: string; reason: string } {
  if (isKeyRotationError(error)) return { code: error.code, reason: error.message };
  return { code: 'UNEXPECTED', reason: error instanceof Error ? error.name : 'unknown' };
}

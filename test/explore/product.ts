import { ringState } from '../../src/keyring/ring-state.ts';
import { adopt } from '../../src/steps/adopt.ts';
import { adoptAndReport } from '../../src/steps/adoption.ts';
import { createSecret } from '../../src/steps/create-secret.ts';
import { finishSecret } from '../../src/steps/finish-secret.ts';
import type { Step } from '../../src/steps/rotation-request.ts';
import type { StepDependencies } from '../../src/steps/dependencies.ts';
import { setSecret } from '../../src/steps/set-secret.ts';
import { testSecret } from '../../src/steps/test-secret.ts';

/**
 * The product as an exploration runs it, without the handler's logging. A mutant is a build of this very file with one
 * check taken out.
 */
export type Product = typeof product;

const STEP = { createSecret, setSecret, testSecret, finishSecret };

export const product = {
  runStep: (deps: StepDependencies, step: Step, secretId: string, token: string): Promise<void> =>
    STEP[step](deps, { step, secretId, token, rotationToken: undefined }),

  adoption: (deps: StepDependencies, secretId: string): Promise<void> => adoptAndReport(deps, secretId),

  /**
   * Moves `AWSCURRENT` back as design section 5 says: refuses while `AWSPENDING` is on another version than the current
   * one, detaches it from the current one, numbers both keys, and only then moves the label.
   */
  rollback: async (deps: StepDependencies, secretId: string): Promise<void> => {
    const secret = await deps.secrets.describeSecret({ SecretId: secretId });
    const ring = ringState(secret.VersionIdsToStages);
    if (ring.current === undefined || ring.previous === undefined) return;
    if (ring.pending !== undefined && ring.pending !== ring.current) return;
    const from = { SecretId: secretId, RemoveFromVersionId: ring.current };
    if (ring.pending === ring.current) {
      await deps.secrets.updateSecretVersionStage({ ...from, VersionStage: 'AWSPENDING' });
    }
    await adopt(deps, secretId, ring);
    await deps.secrets.updateSecretVersionStage({
      ...from,
      VersionStage: 'AWSCURRENT',
      MoveToVersionId: ring.previous,
    });
  },
};

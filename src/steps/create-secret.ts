import { KeyRotationError } from '../format/error.ts';
import { KeyMaterial } from '../format/key-material.ts';
import { writeKeyValue, type KeyFormat } from '../format/key-value.ts';
import { ringLabels, type RingLabels } from '../format/ring-labels.ts';
import { adopt, readUnnumberedKey } from '../secret/adopt.ts';
import { awsErrorName, refused } from '../secret/aws-error.ts';
import type { StepDependencies } from '../secret/dependencies.ts';
import { requireNumbers, slotsNeeded } from '../secret/numbering.ts';
import { readKey, readRingKey } from '../secret/read-key.ts';
import type { RotationRequest } from './rotation-request.ts';
import { describe } from '../secret/fresh-ring.ts';
import { onPendingRotation } from './rotation-state.ts';

/** The setup guide's format, for a secret that never had a value. */
const FIRST_FORMAT: KeyFormat = { kind: 'base64' };

/**
 * Step 1: stores a new key under the token with `AWSPENDING`, in the format of the current one. A key of an earlier
 * attempt is kept if it differs from every other key of the ring.
 */
export async function createSecret(deps: StepDependencies, request: RotationRequest): Promise<void> {
  // A token used again after its version was deleted names another value than the proven one.
  deps.proven.delete(request.token);
  await onPendingRotation(deps, request, async (ring) => {
    requireNumbers(ring, slotsNeeded(ring, request.token));
    const current = ring.current === undefined ? undefined : await readKey(deps, ring.current);

    const labels = await putFreshKey(deps, request, current?.format ?? FIRST_FORMAT);
    if (labels === 'token has a value') {
      await requireFreshPending(deps, request, ring, current?.key);
      return { ring, wrote: false };
    }
    if (!labels.includes('AWSCURRENT')) return { ring, wrote: true };
    return adopt(deps, ringLabels((await describe(deps)).VersionIdsToStages));
  });
}

async function putFreshKey(
  deps: StepDependencies,
  request: RotationRequest,
  format: KeyFormat,
): Promise<readonly string[] | 'token has a value'> {
  const { token, rotationToken } = request;
  const key = KeyMaterial.fromBytes(deps.randomKey());
  try {
    const answer = await deps.secrets.putSecretValue({
      SecretId: deps.secretId,
      ClientRequestToken: token,
      VersionStages: ['AWSPENDING'],
      ...writeKeyValue(key, format, deps.now()),
      ...(rotationToken === undefined ? {} : { RotationToken: rotationToken }),
    });
    deps.log('key_created', { versionId: token });
    return answer.VersionStages ?? [];
  } catch (error) {
    if (awsErrorName(error) === 'ResourceExistsException') return 'token has a value';
    throw refused('PutSecretValue', deps.secretId, error);
  }
}

/** Throws `PENDING_NOT_FRESH` if the key under the token is in use: a test run left it. */
async function requireFreshPending(
  deps: StepDependencies,
  request: RotationRequest,
  ring: RingLabels,
  current: KeyMaterial | undefined,
): Promise<void> {
  const { token } = request;
  const pending = await readKey(deps, token);
  if (current?.equals(pending.key) === true) throw notFresh(token, 'the current key');
  for (const [versionId, number] of ring.numberOf) {
    if (versionId === token || versionId === ring.current) continue;
    const other = await readRingKey(deps, number, versionId);
    if (other.equals(pending.key)) throw notFresh(token, `key ${number}`);
  }
  // A test run's copy of a key that was replaced before an adoption could number it.
  if (ring.previous !== undefined && !ring.numberOf.has(ring.previous)) {
    const previous = await readUnnumberedKey(deps, ring.previous);
    if (previous?.equals(pending.key) === true) throw notFresh(token, 'the previous key');
  }
  deps.log('key_kept', { versionId: token });
}

function notFresh(token: string, other: string): KeyRotationError {
  return new KeyRotationError(
    'PENDING_NOT_FRESH',
    `The pending version ${token} must hold a new key, but holds a copy of ${other}, as a test run leaves it. Detach AWSPENDING from it with 'aws secretsmanager update-secret-version-stage', then rotate again.`,
  );
}

import { invalidParameter, invalidRequest, notFound } from '../service-error.ts';
import { findLiveSecret, withSecret, withVersions, type Outcome } from '../secrets.ts';
import type { updateSecretVersionStage as shape } from '../shapes.ts';
import { type Read } from '../shapes.ts';
import type { CallContext, Secret, ServiceState } from '../state.ts';
import { outsideArchive, versionOf } from '../version-archive.ts';
import { CURRENT, detachLabel, hasLabel, holderOf, moveLabel, PREVIOUS, type Versions } from '../version-stages.ts';

type Request = Read<typeof shape>;

/** Attaches, moves or detaches one label. */
export function updateSecretVersionStage(state: ServiceState, input: Request, context: CallContext): Outcome {
  const found = findLiveSecret(state, input.SecretId);
  const { VersionStage: label, RemoveFromVersionId: from, MoveToVersionId: to } = input;
  checkExists(found, to);
  checkExists(found, from);
  const secret = to === undefined ? found : outsideArchive(found, to);
  const versions = to === undefined ? detached(secret.versions, label, from) : moved(secret.versions, label, from, to);
  return {
    state: versions === secret.versions ? state : withSecret(state, withVersions(secret, versions, context)),
    output: { ARN: secret.arn, Name: secret.name },
  };
}

/** The type is documented; the wording is on record for reading a version. */
function checkExists(secret: Secret, id: string | undefined): void {
  if (id === undefined || versionOf(secret, id) !== undefined) return;
  throw notFound(`Secrets Manager can't find the specified secret value for VersionId: ${id}`);
}

/** Both refusals are recorded. A label that is attached must be taken from the version that has it. */
function moved(versions: Versions, label: string, from: string | undefined, to: string): Versions {
  const holder = holderOf(versions, label);
  if (from === undefined && holder !== undefined && holder !== to) {
    throw invalidParameter(
      `The parameter RemoveFromVersionId can't be empty. Staging label ${label} is currently attached to version ${holder}, so you must explicitly reference that version in RemoveFromVersionId.`,
    );
  }
  if (from !== undefined && from !== holder) {
    throw invalidParameter(
      `When you move staging label ${label}, if you specify RemoveFromVersionId, it must be set to the version that currently has the staging label ${label}.`,
    );
  }
  // On no record; both labels on one version would contradict what they mean.
  if (label === PREVIOUS && hasLabel(versions, to, CURRENT)) {
    throw invalidParameter(`You can't attach staging label ${PREVIOUS} to the version that has ${CURRENT}.`);
  }
  return moveLabel(versions, label, to);
}

function detached(versions: Versions, label: string, from: string | undefined): Versions {
  if (from === undefined) {
    // Documented; the wording is on no record.
    throw invalidParameter('You must provide a value for RemoveFromVersionId, MoveToVersionId, or both.');
  }
  if (!hasLabel(versions, from, label)) {
    throw invalidRequest('You provided a VersionStage that is not associated to the provided VersionId.');
  }
  if (label === CURRENT) {
    throw invalidParameter(
      'You can only move staging label AWSCURRENT to a different secret version. It can’t be completely removed.',
    );
  }
  return detachLabel(versions, label);
}

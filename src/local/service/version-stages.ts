import type { Behaviour, Secret, SecretVersion } from './state.ts';
import { limitExceeded } from './service-error.ts';

/**
 * The staging labels of one secret, as pure functions: each returns the versions afterwards, the given object if
 * nothing changed. A label is on one version at most, and `AWSPREVIOUS` is never on the version of `AWSCURRENT`.
 */
export type Versions = Secret['versions'];

export const CURRENT = 'AWSCURRENT';
export const PREVIOUS = 'AWSPREVIOUS';
export const PENDING = 'AWSPENDING';

/** "Staging labels attached across all versions of a secret: 20" (AWS Secrets Manager quotas). */
const MAX_LABELS = 20;

export function holderOf(versions: Versions, label: string): string | undefined {
  return Object.keys(versions).find((id) => hasLabel(versions, id, label));
}

export function hasLabel(versions: Versions, id: string, label: string): boolean {
  return versions[id]?.stages.includes(label) ?? false;
}

/** The version with `AWSPENDING`, unless it is that of `AWSCURRENT`. */
export function unfinishedVersion(versions: Versions): string | undefined {
  const pending = holderOf(versions, PENDING);
  return pending === undefined || hasLabel(versions, pending, CURRENT) ? undefined : pending;
}

/** Takes the label from the version that has it; `AWSCURRENT` takes `AWSPREVIOUS` along. */
export function moveLabel(versions: Versions, label: string, to: string): Versions {
  if (label === CURRENT) return moveCurrent(versions, to);
  if (hasLabel(versions, to, label) || (label === PREVIOUS && hasLabel(versions, to, CURRENT))) return versions;
  return changeStages(detachLabel(versions, label), to, (stages) => [...stages, label]);
}

/** "Secrets Manager automatically moves AWSPREVIOUS to the version [AWSCURRENT] was removed from." */
function moveCurrent(versions: Versions, to: string): Versions {
  const from = holderOf(versions, CURRENT);
  if (from === to) return versions;
  const cleared = hasLabel(versions, to, PREVIOUS) ? detachLabel(versions, PREVIOUS) : versions;
  const moved = changeStages(detachLabel(cleared, CURRENT), to, (stages) => [...stages, CURRENT]);
  return from === undefined ? moved : moveLabel(moved, PREVIOUS, from);
}

export function detachLabel(versions: Versions, label: string): Versions {
  const holder = holderOf(versions, label);
  return holder === undefined
    ? versions
    : changeStages(versions, holder, (stages) => stages.filter((stage) => stage !== label));
}

/**
 * The labels of `PutSecretValue` and `UpdateSecret` are taken silently from the version that has them. A new
 * `AWSCURRENT` put by hand ends what was pending: recorded, `AWSPENDING` leaves every other version, even the current
 * one.
 */
export function labelNewValue(versions: Versions, id: string, labels: readonly string[]): Versions {
  // AWSCURRENT comes last, so that AWSPREVIOUS ends on the version left even if it was given, too.
  const others = labels.filter((label) => label !== CURRENT);
  const labelled = others.reduce((so, label) => moveLabel(so, label, id), versions);
  if (!labels.includes(CURRENT)) return labelled;
  const moved = moveCurrent(labelled, id);
  return hasLabel(moved, id, PENDING) ? moved : detachLabel(moved, PENDING);
}

/** Recorded: in alphabetical order, whenever each was attached. */
export function listedStages(version: SecretVersion): readonly string[] {
  return version.stages.length < 2 ? version.stages : [...version.stages].sort();
}

/** Throws `LimitExceededException` for more than 20 labels. (The wording is on no record.) */
export function settle(before: Versions, after: Versions, unlabelled: Behaviour['unlabelledVersions']): Versions {
  if (before === after) return after;
  const count = countLabels(after);
  if (count > MAX_LABELS && count > countLabels(before)) {
    throw limitExceeded(`You can't attach more than ${MAX_LABELS} staging labels to the versions of a secret.`);
  }
  return unlabelled === 'deleted-at-once' ? withoutDeprecated(before, after) : after;
}

function countLabels(versions: Versions): number {
  return Object.values(versions).reduce((count, version) => count + version.stages.length, 0);
}

function withoutDeprecated(before: Versions, after: Versions): Versions {
  const lost = Object.keys(before).filter((id) => before[id]?.stages.length !== 0 && after[id]?.stages.length === 0);
  return lost.length === 0 ? after : withoutVersions(after, lost);
}

export function withoutVersions(versions: Versions, ids: readonly string[]): Versions {
  const unwanted = new Set(ids);
  return Object.fromEntries(Object.entries(versions).filter(([id]) => !unwanted.has(id)));
}

function changeStages(
  versions: Versions,
  id: string,
  change: (stages: readonly string[]) => readonly string[],
): Versions {
  const version = versions[id];
  return version === undefined ? versions : { ...versions, [id]: { ...version, stages: change(version.stages) } };
}

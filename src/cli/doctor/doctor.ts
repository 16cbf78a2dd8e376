import type { ExitCode } from '../exit-code.ts';
import {
  accessDenied,
  awsRefused,
  cannotAnswerNow,
  clockWrong,
  endpointUnreachable,
  kmsDenied,
  secretNotFound,
} from './access-checks.ts';
import type { CheckReport } from './check.ts';
import { kmsKeyDisabled, replicaBehind } from './elsewhere-checks.ts';
import { examine, type DoctorDependencies } from './examine.ts';
import { environmentKey, fallbackInUse, keyInvalid, unreadableKey } from './key-checks.ts';
import {
  labelsMoved,
  ringNearlyFull,
  rotationLate,
  scheduleWithoutFunction,
  unfinishedCommand,
  unnumberedKey,
  versionWithoutLabel,
} from './ring-checks.ts';

export interface DoctorResult {
  readonly secretId: string;
  /** In a fixed order, issues 1 to 5 of the guide first. */
  readonly checks: readonly CheckReport[];
  readonly found: number;
  readonly notChecked: number;
}

/** Runs through what can be wrong. Reads every key of the ring once, and writes nothing. */
export async function runDoctor(deps: DoctorDependencies): Promise<{ result: DoctorResult; exitCode: ExitCode }> {
  const seen = await examine(deps);
  const checks = [
    accessDenied(seen),
    secretNotFound(seen),
    kmsDenied(seen),
    fallbackInUse(seen),
    keyInvalid(seen),
    unnumberedKey(seen),
    labelsMoved(seen),
    versionWithoutLabel(seen),
    unfinishedCommand(seen),
    ringNearlyFull(seen),
    rotationLate(seen, deps.now()),
    unreadableKey(seen),
    environmentKey(seen),
    scheduleWithoutFunction(seen),
    kmsKeyDisabled(seen),
    replicaBehind(seen),
    awsRefused(seen),
    endpointUnreachable(seen),
    clockWrong(seen),
  ];
  const count = (outcome: CheckReport['outcome']): number => checks.filter((check) => check.outcome === outcome).length;
  const found = count('found');
  const result = { secretId: deps.secretId, checks, found, notChecked: count('not checked') };
  return { result, exitCode: cannotAnswerNow(seen) ? 3 : found > 0 ? 1 : 0 };
}

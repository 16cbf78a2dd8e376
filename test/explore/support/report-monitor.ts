import type { Secret } from '../../../src/local/service/state.ts';
import { everyLabel, Violation, withLabel } from './seen-secret.ts';

/** What the commands report, as far as it can be checked against the secret. */
interface Report {
  readonly versionId?: string;
  /** restore */
  readonly numbers?: readonly number[];
  /** put */
  readonly number?: number;
  readonly isCurrent?: boolean;
  /** retire */
  readonly retired?: readonly { readonly number: number }[];
  readonly alreadyRetired?: readonly number[];
  /** rollback */
  readonly currentNumber?: number;
  readonly leftNumber?: number;
  /** adopt */
  readonly rescued?: { readonly versionId: string; readonly number: number };
}

/**
 * What a command reports as done, or as not to be changed, must be so: nobody else has changed the secret. Throws
 * `Violation`.
 */
export function checkReport(line: string, result: unknown, secret: Secret): void {
  const report = (result ?? {}) as Report;
  const holds = (label: string, versionId?: string): boolean =>
    everyLabel(secret).some(([id, has]) => has === label && (versionId === undefined || id === versionId));
  const require = (isSo: boolean, claim: string): void => {
    if (!isSo) throw new Violation(`a false report: ${line} says that ${claim}`);
  };
  for (const number of report.numbers ?? [])
    require(holds(`key-v${number}`, report.versionId), `key ${number} is back`);
  const gone = [...(report.retired ?? []).map(({ number }) => number), ...(report.alreadyRetired ?? [])];
  for (const number of gone) require(!holds(`key-v${number}`), `key ${number} is off the ring`);
  for (const { number } of report.retired ?? []) {
    require(secret.tags.some(({ Key }) => Key === `pazpaz:retired:key-v${number}`), `key ${number} can be restored`);
  }
  if (report.currentNumber !== undefined && report.leftNumber !== undefined) {
    const [current = ''] = withLabel(secret, 'AWSCURRENT');
    require(holds(`key-v${report.currentNumber}`, current), `key ${report.currentNumber} is current`);
  }
  if (report.number !== undefined) {
    require(holds(`key-v${report.number}`, report.versionId), `its version is key ${report.number}`);
    require(holds('AWSCURRENT', report.versionId) === report.isCurrent, `it is current: ${String(report.isCurrent)}`);
  }
  if (report.rescued !== undefined) {
    require(holds(`key-v${report.rescued.number}`), `a version can be read as key ${report.rescued.number}`);
  }
  if (line === 'rotate --clean-up') {
    const left = withLabel(secret, 'AWSPENDING').filter((id) => !withLabel(secret, 'AWSCURRENT').includes(id));
    require(left.length === 0, 'no rotation is left');
  }
  if (line === 'rotate') require(secret.versions[report.versionId ?? ''] !== undefined, 'its version exists');
}

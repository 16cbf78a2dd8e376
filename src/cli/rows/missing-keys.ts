import { isKeyRotationError } from '../../format/error.ts';
import type { LeftRow } from '../../postgres/job/plan-rows.ts';
import type { CommandDependencies } from '../aws/operator.ts';
import { readRingReport } from '../status/ring-report.ts';
import { step, type NextStep } from '../suggested-commands.ts';
import { keyList } from '../terminal/table.ts';

/** What an operator may do next, and why. */
export interface Advice {
  readonly text: string;
  readonly next: NextStep;
}

/** Of older data, the number is a random byte, so its key may be missing under either code. */
export function isMissingKey({ code }: Pick<LeftRow, 'code'>): boolean {
  return code === 'KEY_RETIRED' || code === 'KEY_NEVER_ISSUED';
}

/**
 * How to bring back keys that rows need and the ring does not have; `undefined` where no row needs one, or the secret
 * does not say. `again`: what follows then, such as `count again`.
 */
export async function missingKeyAdvice(
  rows: readonly LeftRow[],
  deps: CommandDependencies,
  again: string,
): Promise<Advice | undefined> {
  if (!rows.some(isMissingKey)) return undefined;
  const report = await readRingReport(deps).catch((error: unknown) => {
    if (isKeyRotationError(error)) return error;
    throw error;
  });
  // The rows were read for hours, and this only adds to what is known of them.
  if (isKeyRotationError(report)) {
    const text = `No key of the ring opens some rows. Which keys they may need is not known: ${report.message}`;
    return { text, next: step('status') };
  }
  const { retired, versions, lost } = report;
  const restorable = retired.filter(({ isLeft }) => isLeft).map(({ number }) => number);
  if (restorable.length > 0) {
    const they = restorable.length === 1 ? 'it' : 'them';
    return {
      text: `No key of the ring opens some rows. They may need ${keyList(restorable)}, retired and still kept by AWS: restore ${they}, then ${again}.`,
      next: step('restore', ...restorable.map(String)),
    };
  }
  if (versions.some(({ state }) => state === 'no label')) {
    const text = 'No key of the ring opens some rows, and a version has lost its labels: status says how to rescue it.';
    return { text, next: step('status') };
  }
  if (!rows.some(({ code }) => code === 'KEY_RETIRED')) return undefined;
  const text =
    'No key of the ring opens some rows: their key is no longer on it, and AWS has deleted it. A backup of the ring ' +
    `may still have it. Restore it, then ${again}.`;
  // A key that was lost without being retired needs no --retired, which would also bring back others.
  return { text, next: step('restore-ring', 'FILE', ...(lost === undefined ? ['--retired'] : [])) };
}

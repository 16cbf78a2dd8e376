import type { CommandDependencies } from '../dependencies.ts';
import { notesOn, type Note } from './notes.ts';
import { readRingReport, type RingReport } from './ring-report.ts';

export interface StatusResult extends RingReport {
  /** What is under way or left over, and what to do about it. */
  readonly notes: readonly Note[];
}

/** Everything about the ring that can be said without reading a key. */
export async function runStatus(deps: CommandDependencies): Promise<StatusResult> {
  const report = await readRingReport(deps);
  return { ...report, notes: notesOn(report) };
}

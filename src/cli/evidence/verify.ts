import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { KeyRotationError } from '../../format/error.ts';
import { CHECKSUM_FILE, evidenceIn, EVIDENCE_FILE, PAGE_FILE, sha256, textOf } from './files.ts';
import type { PreviousReport } from './evidence.ts';
import type { Verification } from './verification.ts';

/** A report on disk, and whether it is as it was written. */
export interface VerifiedReport {
  readonly folder: string;
  readonly madeAt: string;
  /** Of `evidence.json`. The next report names it. */
  readonly sha256: string;
  readonly checks: readonly Verification[];
}

type Read = Omit<VerifiedReport, 'checks'> & { readonly sums: string; readonly previous: PreviousReport | undefined };

/** Checks the signature of a report: `sums` is the text of its checksums. */
export type CheckSignature = (folder: string, sums: string) => Promise<Verification>;

/**
 * Checks reports in the order of their dates: each file against its checksum, the signature, and the report before, as
 * far as it is among them. Throws `INVALID_SETTINGS` for a folder that cannot be read, and `INVALID_EVIDENCE`.
 */
export async function verifyReports(
  folders: readonly string[],
  checkSignature: CheckSignature,
): Promise<readonly VerifiedReport[]> {
  const reports: Read[] = [];
  for (const folder of folders) {
    const text = await textOf(folder, EVIDENCE_FILE);
    const { madeAt, previous } = evidenceIn(text, join(folder, EVIDENCE_FILE));
    reports.push({ folder, madeAt, previous, sha256: sha256(text), sums: await textOf(folder, CHECKSUM_FILE) });
  }
  reports.sort((one, other) => (one.madeAt < other.madeAt ? -1 : 1));
  const verified: VerifiedReport[] = [];
  for (const [index, { folder, madeAt, previous, sha256: hash, sums }] of reports.entries()) {
    const checks = [
      await checkFiles(folder, sums),
      await checkSignature(folder, sums),
      checkChain(previous, reports[index - 1]),
    ];
    verified.push({ folder, madeAt, sha256: hash, checks });
  }
  return verified;
}

async function checkFiles(folder: string, sums: string): Promise<Verification> {
  const listed = new Map(sums.split('\n').flatMap((line) => (line === '' ? [] : [checksumIn(line, folder)])));
  const bad: string[] = [];
  for (const name of [EVIDENCE_FILE, PAGE_FILE]) {
    const found = await readFile(join(folder, name)).then(sha256, () => undefined);
    if (found === undefined) bad.push(`${name} cannot be read`);
    else if (listed.get(name) === undefined) bad.push(`${name} has no checksum`);
    else if (listed.get(name) !== found) bad.push(`${name} was changed`);
  }
  return bad.length === 0
    ? { what: 'files', outcome: 'good', how: `the SHA-256 of ${EVIDENCE_FILE} and ${PAGE_FILE}` }
    : { what: 'files', outcome: 'bad', how: bad.join(', ') };
}

function checksumIn(line: string, folder: string): readonly [string, string] {
  const [, hash, name] = /^([0-9a-f]{64}) [ *](\S+)$/.exec(line) ?? [];
  if (hash !== undefined && name !== undefined) return [name, hash];
  throw new KeyRotationError(
    'INVALID_EVIDENCE',
    `${join(folder, CHECKSUM_FILE)} must have lines of sha256sum: 64 digits, two spaces, and a name.`,
  );
}

function checkChain(previous: PreviousReport | undefined, before: Read | undefined): Verification {
  const chain = (outcome: Verification['outcome'], how: string): Verification => ({ what: 'chain', outcome, how });
  if (previous === undefined) {
    return before === undefined
      ? chain('not checked', 'it names no report before it')
      : chain('bad', `it names no report before it, and ${before.folder} is older`);
  }
  if (before === undefined) {
    return chain('not checked', `it continues a report of ${previous.madeAt} with SHA-256 ${previous.sha256}`);
  }
  return before.sha256 === previous.sha256
    ? chain('good', `it continues ${before.folder}`)
    : chain('bad', `it continues a report with SHA-256 ${previous.sha256}, and ${before.folder} has ${before.sha256}`);
}

import { KeyRotationError } from '../../format/error.ts';
import type { PreviousReport } from './evidence.ts';
import { EVIDENCE_FILE, PAGE_FILE, previousReport, readReport, sha256, type ReportOnDisk } from './files.ts';
import type { SignatureVerification, Verification } from './verification.ts';

export interface VerifiedReport {
  readonly folder: string;
  readonly madeAt: string;
  /** Of `evidence.json`. The next report names it. */
  readonly sha256: string;
  readonly checks: readonly Verification[];
  /** As the report names it. */
  readonly previous?: PreviousReport;
}

/** In the order of their dates. */
export interface Series {
  /** Each but the first names the one before it, with its SHA-256. */
  readonly isUnbroken: boolean;
  readonly first: string;
  readonly last: string;
  /** The report before the first one. Absent: the first one names none. */
  readonly continues?: PreviousReport;
}

export function seriesOf(reports: readonly VerifiedReport[]): Series {
  const [first, ...others] = reports;
  const isGood = ({ what, outcome }: Verification): boolean => what !== 'chain' || outcome === 'good';
  return {
    isUnbroken: others.every(({ checks }) => checks.every(isGood)),
    first: first?.folder ?? '',
    last: reports.at(-1)?.folder ?? '',
    ...(first?.previous === undefined ? {} : { continues: first.previous }),
  };
}

/** `sums`: the text of the checksums. */
export type CheckSignature = (folder: string, sums: string) => Promise<SignatureVerification>;

interface Signed {
  readonly folder: string;
  readonly signedBy: string;
}

/**
 * In the order of their dates: each file against its checksum, the signature, and the report before. Throws
 * `INVALID_SETTINGS` for a folder that cannot be read, and `INVALID_EVIDENCE`.
 */
export async function verifyReports(
  folders: readonly string[],
  checkSignature: CheckSignature,
): Promise<readonly VerifiedReport[]> {
  const reports: ReportOnDisk[] = [];
  for (const folder of folders) reports.push(await readReport(folder));
  reports.sort((one, other) => (one.madeAt < other.madeAt ? -1 : 1));
  const verified: VerifiedReport[] = [];
  let signed: Signed | undefined;
  for (const [index, report] of reports.entries()) {
    const { folder, madeAt, sha256: hash, altered, previous } = report;
    const { signedBy, ...signature } = asNamed(await signatureOf(report, checkSignature), reports[index + 1]);
    const checks = [filesCheck(altered), inSeries(signature, signedBy, signed), checkChain(report, reports[index - 1])];
    verified.push({
      folder,
      madeAt,
      sha256: hash,
      checks,
      ...(previous === undefined ? {} : { previous: { madeAt: previous.madeAt, sha256: previous.sha256 } }),
    });
    if (signedBy !== undefined) signed = { folder, signedBy };
  }
  return verified;
}

/** The next report says whether this one was signed when it was made. */
function asNamed(check: SignatureVerification, next: ReportOnDisk | undefined): SignatureVerification {
  if (check.outcome !== 'not checked' || next?.previous?.signature === undefined) return check;
  return { ...check, outcome: 'bad', how: `${check.how}, and ${next.folder} after it says that it was signed` };
}

/** A report that says that it is signed must have its signature. */
async function signatureOf(
  { folder, sums, signedWith }: ReportOnDisk,
  checkSignature: CheckSignature,
): Promise<SignatureVerification> {
  const check = await checkSignature(folder, sums);
  if (signedWith === undefined || check.outcome !== 'not checked') return check;
  return { ...check, outcome: 'bad', how: `${check.how}, and the report says that ${signedWith} has signed it` };
}

/**
 * Throws `INVALID_EVIDENCE` for a report that was changed, or whose signature is missing or wrong: the next report
 * would make it look genuine.
 */
export async function reportBefore(
  path: string,
  checkSignature: CheckSignature,
): Promise<ReportOnDisk & { readonly signature?: string }> {
  const report = await previousReport(path);
  const { outcome, how } = await signatureOf(report, checkSignature);
  if (outcome === 'good') return { ...report, signature: how };
  if (outcome === 'not checked') return report;
  throw new KeyRotationError(
    'INVALID_EVIDENCE',
    `The report before, ${report.folder}: ${how}. A report that names it would make it look genuine. If another key has ` +
      'signed it, name its public key with --public-key; to begin a new series, leave --previous out.',
  );
}

function filesCheck(altered: readonly string[]): Verification {
  return altered.length === 0
    ? { what: 'files', outcome: 'good', how: `the SHA-256 of ${EVIDENCE_FILE} and ${PAGE_FILE}` }
    : { what: 'files', outcome: 'bad', how: altered.join(', ') };
}

/** Anyone can remove a signature, or sign with another key: within a series neither passes. */
function inSeries(check: Verification, signedBy: string | undefined, before: Signed | undefined): Verification {
  if (before === undefined || check.outcome === 'bad' || signedBy === before.signedBy) return check;
  const how =
    signedBy === undefined
      ? `${check.how}, and ${before.folder} before it is signed`
      : `${signedBy} has signed, and ${before.signedBy} has signed ${before.folder} before it; if both keys are yours, ` +
        'check the reports of each with --sign-with';
  return { ...check, outcome: 'bad', how };
}

function checkChain(
  { previous, secretName, sha256: hash }: ReportOnDisk,
  before: ReportOnDisk | undefined,
): Verification {
  const chain = (outcome: Verification['outcome'], how: string): Verification => ({ what: 'chain', outcome, how });
  if (before?.sha256 === hash) return chain('bad', `it is the same report as ${before.folder}`);
  if (before !== undefined && before.secretName !== secretName)
    return chain('bad', `it is of the secret ${secretName}, and ${before.folder} is of ${before.secretName}`);
  if (previous === undefined) {
    return before === undefined
      ? chain('not checked', 'it names no report before it')
      : chain('bad', `it names no report before it, and ${before.folder} is older`);
  }
  if (before === undefined) {
    return chain('not checked', `it continues a report of ${previous.madeAt} with SHA-256 ${previous.sha256}`);
  }
  if (before.sha256 !== previous.sha256)
    return chain(
      'bad',
      `it continues a report with SHA-256 ${previous.sha256}, and ${before.folder} has ${before.sha256}`,
    );
  if (previous.checksums !== undefined && previous.checksums !== sha256(before.sums))
    return chain('bad', `${before.folder} has other checksums now, of its page or another file, than it names`);
  return before.madeAt === previous.madeAt
    ? chain('good', `it continues ${before.folder}`)
    : chain('bad', `it continues a report of ${previous.madeAt}, and ${before.folder} is of ${before.madeAt}`);
}

import { join } from 'node:path';
import { kmsFor, requireKmsKey } from '../aws/kms-client.ts';
import { command, someText, wrongUsage } from '../command.ts';
import { collectEvidence } from '../evidence/collect.ts';
import type { Evidence } from '../evidence/evidence.ts';
import { EVIDENCE_FILE, PAGE_FILE, requireNoReport, sha256, writeReport } from '../evidence/files.ts';
import { page } from '../evidence/page/page.ts';
import { countedRows } from '../evidence/rows.ts';
import { VERDICT } from '../evidence/schema.ts';
import { checkSignature, signer } from '../evidence/sign.ts';
import { reportBefore, seriesOf, verifyReports, type Series, type VerifiedReport } from '../evidence/verify.ts';
import { COUNT, DATE, described, listOf, object, oneOf, TEXT, YES_OR_NO } from '../json/shapes.ts';
import type { ColumnFlags } from '../rows/column-flags.ts';
import { columnOptions, namesColumns, readingOptions } from '../rows/column-options.ts';
import { printable, printableJson, type Paint } from '../terminal/paint.ts';
import { wrapped } from '../terminal/table.ts';

interface EvidenceFlags extends ColumnFlags {
  readonly out?: string;
  readonly previous?: string;
  /** `false`: with --no-rows. */
  readonly rows: boolean;
  readonly verify?: readonly string[];
  readonly principal?: readonly string[];
  readonly signWith?: string;
  readonly publicKey?: string;
}

const REPORTED = object({
  folder: TEXT,
  madeAt: DATE,
  sha256: described('Of evidence.json', TEXT),
  verdict: VERDICT,
  unseen: described('How many things could not be seen', COUNT),
});

const BEFORE = object({ madeAt: DATE, sha256: TEXT }, { signature: TEXT });

const VERIFIED = object({
  reports: listOf(
    object(
      {
        folder: TEXT,
        madeAt: DATE,
        sha256: TEXT,
        checks: listOf(
          object({
            what: oneOf('files', 'signature', 'chain'),
            outcome: oneOf('good', 'bad', 'not checked'),
            how: TEXT,
          }),
        ),
      },
      { previous: BEFORE },
    ),
  ),
  series: described(
    'The reports in order: folders of the first and the last, and the report before the first, which is not among them',
    object({ isUnbroken: YES_OR_NO, first: TEXT, last: TEXT }, { continues: BEFORE }),
  ),
});

export const EVIDENCE = command<EvidenceFlags>({
  name: 'evidence',
  summary: 'Write a report for an auditor: keys, their history, the rows under each, and what is overdue',
  details:
    'It writes evidence.json, evidence.html (one page, also for printing) and evidence.sha256 into a folder. It changes ' +
    'nothing in AWS or the database, and the report holds no key, no plaintext and no key of a row. What could not be ' +
    'read is listed with the reason. The exit code is 1 if something is overdue. --verify checks reports later.',
  examples: [
    'pazpaz-keys evidence --columns columns.json --out evidence-2026',
    'pazpaz-keys evidence --no-rows --out evidence-2027 --previous evidence-2026',
    'pazpaz-keys evidence --verify evidence-2026 evidence-2027',
  ],
  result: { oneOf: [REPORTED, VERIFIED] },
  isOnFiles: ({ verify }) => verify !== undefined,
  setUp: (program) =>
    readingOptions(columnOptions(program))
      .option('--out <folder>', 'the folder for the report; it is created if needed', someText)
      .option('--previous <path>', 'the previous report: its folder, or its evidence.json', someText)
      .option('--no-rows', 'do not count rows; the report says so')
      .option('--principal <arn...>', 'also ask IAM what these roles or users may do with the secret')
      .option('--sign-with <arn>', 'a KMS key that signs the report, or that must have signed it', someText)
      .option(
        '--public-key <file>',
        'the public key in PEM of reports to check, so that AWS KMS is not called',
        someText,
      )
      .option('--verify <folders...>', 'check the files, signatures and order of reports'),
  run: async (session, flags, _, world) => {
    const kmsOf = kmsFor(flags, session.region);
    if (flags.signWith !== undefined) requireKmsKey('--sign-with', flags.signWith);
    if (flags.verify !== undefined) {
      const reports = await verifyReports(flags.verify, (folder, sums) =>
        checkSignature(folder, sums, { publicKey: flags.publicKey, keyId: flags.signWith }, kmsOf),
      );
      const isBad = reports.some(({ checks }) => checks.some(({ outcome }) => outcome === 'bad'));
      const series = seriesOf(reports);
      return {
        result: { reports, series },
        lines: (paint) => [...reports.flatMap((report) => verifiedLines(report, paint)), ...seriesLines(series)],
        exitCode: isBad ? 1 : 0,
        showsInDryRun: true,
      };
    }
    const { out, rows, previous, signWith, publicKey } = flags;
    if (out === undefined)
      return wrongUsage('Where should the report go? Name a folder with --out, or reports to check with --verify.');
    if (rows && !namesColumns(flags)) {
      return wrongUsage('Which rows? Name a file with --columns, or leave the rows out with --no-rows.');
    }
    await requireNoReport(out);
    const sign = signWith === undefined ? undefined : await signer(signWith, kmsOf);
    const before =
      previous === undefined
        ? undefined
        : await reportBefore(previous, (folder, sums) =>
            checkSignature(folder, sums, publicKey === undefined ? { keyId: signWith } : { publicKey }, kmsOf),
          );
    const evidence = await collectEvidence(session, {
      sources: flags,
      signedWith: signWith,
      ...(rows ? { countRows: () => countedRows(session, flags, world) } : {}),
      ...(before === undefined ? {} : { previous: before }),
    });
    const json = `${printableJson(JSON.stringify(evidence, undefined, 2))}\n`;
    await writeReport(out, new Map([[EVIDENCE_FILE, json], [PAGE_FILE, page(evidence, sha256(json))]]), sign); // prettier-ignore
    const { madeAt, verdict, unseen } = evidence;
    return {
      result: { folder: out, madeAt, sha256: sha256(json), verdict, unseen: unseen.length },
      lines: (paint) => writtenLines(out, evidence, paint),
      exitCode: verdict.overdue.length > 0 ? 1 : 0,
      showsInDryRun: true,
    };
  },
});

function writtenLines(folder: string, { verdict, unseen }: Evidence, paint: Paint): readonly string[] {
  const lead = wrapped(printable(verdict.sentence));
  const listed = (text: string, mark = '-'): readonly string[] => wrapped(printable(`${mark} ${text}`), 98, '  ');
  return [
    ...lead.map(verdict.overdue.length === 0 ? paint.good : paint.bad),
    ...verdict.overdue.flatMap(({ text }) => listed(text, '!')),
    ...verdict.notices.flatMap(({ text }) => listed(text).map(paint.faint)),
    ...unseen.flatMap(({ what, needs, why }) => listed(`not seen: ${what} (${needs}): ${why}`).map(paint.faint)),
    '',
    `The report is in ${printable(join(folder, PAGE_FILE))} and ${EVIDENCE_FILE}.`,
  ];
}

/** What a reader has to know from elsewhere: a report names the one before it, not the one after it. */
function seriesLines({ isUnbroken, first, last, continues }: Series): readonly string[] {
  const chain =
    first === last
      ? `One report, ${first}.`
      : `${isUnbroken ? 'An unbroken' : 'A broken'} series from ${first} to ${last}.`;
  const start =
    continues === undefined
      ? 'The first one names no report before it.'
      : `A report of ${continues.madeAt} comes before the first one, with SHA-256 ${continues.sha256}.`;
  return [
    '',
    ...wrapped(printable(`${chain} ${start} Reports after the last one, if any, cannot be seen from these.`)),
  ];
}

const MARKS = { good: 'ok ', bad: 'BAD', 'not checked': '?  ' } as const;

function verifiedLines({ folder, madeAt, checks }: VerifiedReport, paint: Paint): readonly string[] {
  return [
    paint.strong(printable(`${folder}, of ${madeAt}`)),
    ...checks.map(({ what, outcome, how }) => {
      const colour = outcome === 'good' ? paint.good : outcome === 'bad' ? paint.bad : paint.warn;
      return `${colour(MARKS[outcome])}  ${printable(`${what}: ${how}`)}`;
    }),
  ];
}

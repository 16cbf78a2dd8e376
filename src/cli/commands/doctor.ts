import { kmsKeyStateOf } from '../aws/kms-key-state.ts';
import { operatorSecrets } from '../aws/operator-secrets.ts';
import { rotationFunctionOf } from '../aws/rotation-function.ts';
import { clientFor } from '../aws/session.ts';
import { findUnlisted } from '../../postgres/find-columns.ts';
import { command } from '../command.ts';
import { COUNT, listOf, NEXT, object, oneOf, TEXT } from '../json/shapes.ts';
import { CHECKS, runDoctor, type CheckReport, type DoctorResult } from '../doctor/doctor.ts';
import type { ColumnFlags } from '../rows/column-flags.ts';
import { columnOptions, columnsOf, namesColumns, ringOf } from '../rows/column-options.ts';
import { databaseOf } from '../rows/database-options.ts';
import { countEncryptions } from '../status/key-encryptions.ts';
import { spelled } from '../suggested-commands.ts';
import { printable, type Paint } from '../terminal/paint.ts';
import { wrapped } from '../terminal/table.ts';

const CHECK = object({
  code: { ...TEXT, enum: CHECKS.map(({ code }) => code) },
  title: TEXT,
  outcome: oneOf('fine', 'found', 'not checked'),
  how: TEXT,
  findings: listOf(object({ text: TEXT, next: NEXT })),
});

const NEEDS: Partial<Record<CheckReport['code'], string>> = {
  'many-encryptions': 'if CloudWatch counts them',
  'not-in-backup': 'if there was a backup',
  'unlisted-column': 'with --columns',
};

const CHECK_LIST = [
  'It checks for these problems:',
  ...CHECKS.map(({ code, title }) => `  ${title}${NEEDS[code] === undefined ? '' : ` (${NEEDS[code]})`}`),
].join('\n');

export const DOCTOR = command<ColumnFlags>({
  name: 'doctor',
  summary:
    'Check for everything that can be wrong; for each problem, say whether it was found, how doctor knows, and how ' +
    'to fix it',
  details:
    'Run it where the application runs and with its role, because it checks the environment, too. It reads every ' +
    'key of the ring once, which counts for an alarm on reads. It writes nothing. With --columns it also searches the database ' +
    'for columns that the file does not list. The exit code is 0 only when no problem was found.',
  examples: [
    'pazpaz-keys doctor --secret-id pazpaz/encryption-key-v1',
    'pazpaz-keys doctor --columns columns.json',
    'pazpaz-keys doctor --json',
  ],
  result: object({ secretId: TEXT, checks: listOf(CHECK), found: COUNT, notChecked: COUNT }),
  setUp: (program) => columnOptions(program).addHelpText('after', `\n${CHECK_LIST}`),
  run: async (session, options, _, world) => {
    const { deps, region, clockOffset, whyNotAsked, whyNotAws, spell } = session;
    const { environment } = world;
    const specs = namesColumns(options) ? await columnsOf(options) : undefined;
    const database = specs === undefined ? undefined : databaseOf(options, session, world);
    const stateOf = kmsKeyStateOf(options, region);
    const unknown = (why: string) => Promise.resolve({ unknown: why });
    const { result, exitCode } = await runDoctor({
      ...deps,
      region,
      environment,
      clockOffset,
      whyNotAwsClock: whyNotAws,
      ...(specs === undefined || database === undefined
        ? {}
        : { findUnlisted: async () => findUnlisted(database, await ringOf(session), specs) }),
      // With a custom endpoint, every region answers there.
      secretsIn: (other) => operatorSecrets(clientFor({ ...options, region: other }, other)),
      kmsKeyState: (keyId) => {
        const why = whyNotAsked('KMS');
        return why === undefined ? stateOf(keyId) : unknown(why);
      },
      countEncryptions: countEncryptions(session, options),
      rotationFunction: (functionArn) => {
        const why = whyNotAsked('LAMBDA');
        return why === undefined ? rotationFunctionOf(functionArn, options) : unknown(why);
      },
    });
    const checks = result.checks.map((check) => ({ ...check, findings: spelled(check.findings, spell) }));
    const shown = { ...result, checks };
    return { result: shown, lines: (paint) => doctorLines(shown, paint), exitCode, showsInDryRun: true };
  },
});

const WORDS = { fine: 'ok   ', found: 'FOUND', 'not checked': '?    ' } as const;

/** A report with its next steps as commands. */
type Shown = Omit<DoctorResult, 'checks'> & { readonly checks: readonly ShownCheck[] };
type ShownCheck = Omit<CheckReport, 'findings'> & {
  readonly findings: readonly { readonly text: string; readonly next: readonly string[] }[];
};

/** One line for each check, with its evidence; below each finding, the commands that fix it. */
function doctorLines({ secretId, checks, found, notChecked }: Shown, paint: Paint): readonly string[] {
  const open = notChecked === 0 ? '' : `, ${notChecked} of ${checks.length} not checked`;
  return [
    paint.strong(printable(`What can be wrong with ${secretId}`)),
    '',
    ...checks.flatMap((check) => checkLines(check, paint)),
    '',
    found === 0 ? paint.good(`Nothing is wrong${open}.`) : paint.bad(`${found} found${open}.`),
  ];
}

function checkLines({ title, outcome, how, findings }: ShownCheck, paint: Paint): readonly string[] {
  const colour = outcome === 'found' ? paint.bad : outcome === 'fine' ? paint.good : paint.warn;
  const [first = '', ...more] = wrapped(printable(`${title}: ${how}`), 95);
  return [
    `${colour(WORDS[outcome])}  ${first.slice(0, title.length + 1)}${paint.faint(first.slice(title.length + 1))}`,
    ...more.map((line) => `       ${paint.faint(line)}`),
    ...findings.flatMap(({ text, next }) => [
      ...wrapped(printable(text), 90).map((line) => `       ${line}`),
      ...next.map((command) => `         ${paint.strong(printable(command))}`),
    ]),
  ];
}

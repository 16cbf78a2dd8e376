import { kmsKeyStateOf } from '../aws/kms-key-state.ts';
import { operatorSecrets } from '../aws/operator-secrets.ts';
import { rotationFunctionOf } from '../aws/rotation-function.ts';
import { clientFor } from '../aws/session.ts';
import { command } from '../command.ts';
import { COUNT, listOf, NEXT, object, oneOf, TEXT } from '../json/shapes.ts';
import type { CheckReport } from '../doctor/check.ts';
import { runDoctor, type DoctorResult } from '../doctor/doctor.ts';
import { printable, type Paint } from '../terminal/paint.ts';
import { wrapped } from '../terminal/table.ts';

const CHECK = object({
  code: TEXT,
  title: TEXT,
  outcome: oneOf('fine', 'found', 'not checked'),
  how: TEXT,
  findings: listOf(object({ text: TEXT, next: NEXT })),
});

export const DOCTOR = command<object>({
  name: 'doctor',
  summary: 'Run through what can be wrong, and say of each: found or not, how it knows, and what mends it',
  details:
    'Run it where the application runs and with its role: it looks at the environment, too. It reads every key of the ring once, which an alarm on reads counts. It writes nothing, and exits with 0 only when nothing is wrong.',
  examples: ['pazpaz-keys doctor --secret-id pazpaz/encryption-key-v1', 'pazpaz-keys doctor --json'],
  result: object({ secretId: TEXT, checks: listOf(CHECK), found: COUNT, notChecked: COUNT }),
  run: async ({ deps, region, clockOffset, whyNotAsked }, options, _, { environment }) => {
    const stateOf = kmsKeyStateOf(options, region);
    const unknown = (why: string) => Promise.resolve({ unknown: why });
    const { result, exitCode } = await runDoctor({
      ...deps,
      region,
      environment,
      clockOffset,
      // With an endpoint of its own every region answers there.
      secretsIn: (other) => operatorSecrets(clientFor({ ...options, region: other }, other)),
      kmsKeyState: (keyId) => {
        const why = whyNotAsked('KMS');
        return why === undefined ? stateOf(keyId) : unknown(why);
      },
      rotationFunction: (functionArn) => {
        const why = whyNotAsked('LAMBDA');
        return why === undefined ? rotationFunctionOf(functionArn, options) : unknown(why);
      },
    });
    return { result, lines: (paint) => doctorLines(result, paint), exitCode, hidesChanges: true, suggests: true };
  },
});

const WORDS = { fine: 'no ', found: 'YES', 'not checked': '?  ' } as const;

/** Each check in one line, with how it knows, and below those that found something what it is and what mends it. */
export function doctorLines({ secretId, checks, found, notChecked }: DoctorResult, paint: Paint): readonly string[] {
  const open = notChecked === 0 ? '' : `, ${notChecked} of ${checks.length} not checked`;
  return [
    paint.strong(printable(`What can be wrong with ${secretId}`)),
    '',
    ...checks.flatMap((check) => checkLines(check, paint)),
    '',
    found === 0 ? paint.good(`Nothing is wrong${open}.`) : paint.bad(`${found} found${open}.`),
  ];
}

function checkLines({ title, outcome, how, findings }: CheckReport, paint: Paint): readonly string[] {
  const colour = outcome === 'found' ? paint.bad : outcome === 'fine' ? paint.good : paint.warn;
  const [first = '', ...more] = wrapped(printable(`${title}: ${how}`), 95);
  return [
    `${colour(WORDS[outcome])}  ${first.slice(0, title.length + 1)}${paint.faint(first.slice(title.length + 1))}`,
    ...more.map((line) => `     ${paint.faint(line)}`),
    ...findings.flatMap(({ text, next }) => [
      ...wrapped(printable(text), 90).map((line) => `     ${line}`),
      ...next.map((command) => `       ${paint.strong(printable(command))}`),
    ]),
  ];
}

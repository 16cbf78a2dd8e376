import type { CommandDependencies } from '../../../src/cli/aws/operator.ts';
import { runDoctor, type CheckCode, type CheckReport } from '../../../src/cli/doctor/doctor.ts';
import type { DoctorDependencies } from '../../../src/cli/doctor/examine.ts';
import { current, previous, ringWith, type TestRing } from '../../support/ring.ts';
import { operatorOf, spell } from './operator.ts';

/** What a test puts in the place of a doctor's dependencies. */
export type Changes = Partial<Omit<DoctorDependencies, keyof CommandDependencies>> & {
  readonly secrets?: Partial<DoctorDependencies['secrets']>;
  readonly secretId?: string;
};

/** Runs the doctor on a ring, where nothing beside it is wrong but what a test changes. */
export async function examined(ring: TestRing, { secrets = {}, ...changes }: Changes = {}) {
  const { deps } = operatorOf(ring);
  return runDoctor({
    ...deps,
    secrets: { ...deps.secrets, ...secrets },
    region: 'us-east-1',
    environment: {},
    secretsIn: () => deps.secrets,
    kmsKeyState: () => Promise.resolve({ state: 'Enabled' }),
    rotationFunction: () => Promise.resolve({ exists: true, logGroup: '/aws/lambda/rotate' }),
    countEncryptions: () => Promise.resolve({ unknown: 'no stack' }),
    clockOffset: () => 0,
    whyNotAwsClock: () => undefined,
    ...changes,
  });
}

/** The codes of what was found, and all its text. */
export async function found(ring: TestRing, changes: Changes = {}) {
  const { result, exitCode } = await examined(ring, changes);
  const checks = result.checks.filter(({ outcome }) => outcome === 'found');
  const text = checks
    .flatMap(({ findings }) => findings.map((one) => [one.text, ...one.next.map(spell)].join('\n')))
    .join('\n');
  return { codes: checks.map(({ code }) => code), text, exitCode, checks: result.checks };
}

/** A ring on which rotation is on, and which has nothing wrong with it. */
export async function healthyRing(): Promise<TestRing> {
  const ring = await ringWith(1, previous(2), current(3));
  await ring.enableRotation();
  return ring;
}

export function checkOf(checks: readonly CheckReport[], code: CheckCode): CheckReport {
  const check = checks.find((one) => one.code === code);
  if (check === undefined) throw new Error(`there is no check ${code}`);
  return check;
}

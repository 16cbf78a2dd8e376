import Ajv from 'ajv';
import { DESCRIBED_COMMANDS } from '../../src/cli/json-schema.ts';
import { stopServices } from '../local/running-service.ts';
import { HOUR } from '../local/state-machine.ts';
import { current, keyOf, previous, ringWith, type TestRing } from '../rotation/ring.ts';
import { counting, giveCredentials, pazpazKeys } from './operator.ts';

beforeAll(giveCredentials);
afterEach(stopServices);

const KEY = keyOf(9).toString('base64');

async function settledRing(): Promise<TestRing> {
  const ring = await ringWith(1, previous(2), current(3));
  await ring.enableRotation();
  await ring.service.advance(25 * HOUR);
  return ring;
}

/** Runs a command with `--json`, holds its answer to the schema that the command `schema` prints, and returns it. */
async function answer(ring: TestRing, args: readonly string[], stdin = ''): Promise<Readonly<Record<string, unknown>>> {
  const { stdout, stderr } = await pazpazKeys(ring, [...args, '--json'], { stdin, census: counting() });
  expect(stderr).toBe('');
  const { stdout: schema } = await pazpazKeys(ring, ['schema', args[0] ?? '']);
  const parsed: unknown = JSON.parse(stdout);
  const ajv = new Ajv({ allErrors: true });
  await ajv.validate(JSON.parse(schema) as object, parsed);
  expect(ajv.errors).toBeNull();
  return parsed as Readonly<Record<string, unknown>>;
}

const RUNS: readonly (readonly [readonly string[], string])[] = [
  [['status'], ''],
  [['doctor'], ''],
  [['rotate'], ''],
  [['rotate', '--wait'], ''],
  [['rotate', '--clean-up', '--yes'], ''],
  [['rollback', '--yes'], ''],
  [['rollback', '--dry-run'], ''],
  [['put', '--yes'], KEY],
  [['put', '--not-current'], KEY],
  [['adopt'], ''],
  [['retire', '1', '--yes'], ''],
  [['retire', '1', '--dry-run'], ''],
  [['retire', '3', '--yes'], ''],
  [['restore', '1'], ''],
  [['encrypt', '--context', 'patients:7:notes'], 'Patient has diabetes'],
  [['decrypt'], 'AAAA'],
];

describe('--json', () => {
  test.each(RUNS)('%j prints one object as its schema says', async (args, stdin) => {
    await answer(await settledRing(), args, stdin);
  });

  test('is described for every command that has it, here or with the data', () => {
    const ran = new Set(RUNS.map(([[name = '']]) => name));
    expect([...ran].sort()).toEqual(DESCRIBED_COMMANDS.toSorted());
  });

  test('gives a refusal by its code, and no more on standard error', async () => {
    expect(await answer(await settledRing(), ['retire', '3', '--yes'])).toMatchObject({
      command: 'retire',
      error: { code: 'KEY_STILL_NEEDED' },
      changes: [],
    });
  });

  test('holds no key of the ring', async () => {
    const ring = await settledRing();
    for (const [args, stdin] of RUNS) {
      const { stdout } = await pazpazKeys(ring, [...args, '--json'], { stdin, census: counting() });
      for (const place of [1, 2, 3, 9]) expect(stdout).not.toContain(keyOf(place).toString('base64'));
    }
  });
});

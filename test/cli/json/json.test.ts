import Ajv from 'ajv';
import { COMMANDS } from '../../../src/cli/commands/all.ts';
import { jsonSchema } from '../../../src/cli/json/schema.ts';
import { stopServices } from '../../local/support/running-service.ts';
import { HOUR } from '../../local/support/state-machine.ts';
import { current, keyOf, previous, ringWith, type TestRing } from '../../support/ring.ts';
import { asDescribed } from '../support/described.ts';
import { counting, giveCredentials, pazpazKeys } from '../support/operator.ts';

beforeAll(giveCredentials);
afterEach(stopServices);

const DESCRIBED_COMMANDS = COMMANDS.map(({ name }) => name);
const KEY = keyOf(9).toString('base64');

async function settledRing(): Promise<TestRing> {
  const ring = await ringWith(1, previous(2), current(3));
  await ring.enableRotation();
  await ring.service.advance(25 * HOUR);
  return ring;
}

/** Runs a command with `--json`, holds its answer to its schema, and returns it. */
async function answer(ring: TestRing, args: readonly string[], stdin = ''): Promise<Readonly<Record<string, unknown>>> {
  const { stdout, stderr } = await pazpazKeys(ring, [...args, '--json'], { stdin, census: counting() });
  expect(stderr).toBe('');
  return asDescribed(args[0] ?? '', stdout);
}

/** Commands with their standard input, and what they print. */
const RUNS: readonly (readonly [readonly string[], string, 'result' | 'error'])[] = [
  [['status'], '', 'result'],
  [['doctor'], '', 'result'],
  [['rotate'], '', 'result'],
  [['rotate', '--wait'], '', 'result'],
  [['rotate', '--clean-up', '--yes'], '', 'result'],
  [['rollback', '--yes'], '', 'result'],
  [['rollback', '--dry-run'], '', 'result'],
  [['put', '--yes'], KEY, 'result'],
  [['put', '--not-current'], KEY, 'result'],
  [['adopt'], '', 'result'],
  [['retire', '1', '--yes'], '', 'result'],
  [['retire', '1', '--dry-run'], '', 'result'],
  [['retire', '3', '--yes'], '', 'error'],
  [['restore', '1'], '', 'result'],
  [['move', '--kms-key-id', 'new', '--yes'], '', 'result'],
  [['encrypt', '--context', 'patients:7:notes'], 'Patient has diabetes', 'result'],
  [['decrypt'], 'AAAA', 'error'],
];

describe('--json', () => {
  test.each(RUNS)('%j prints one object as its schema says', async (args, stdin, kind) => {
    expect(await answer(await settledRing(), args, stdin)).toHaveProperty(kind);
  });

  test('describes what comes of an encryption, a decryption, a rescue and a retirement', async () => {
    const ring = await settledRing();
    const { result: sealed } = await answer(ring, ['encrypt', '--context', 'patients:7:notes'], 'Patient has diabetes');
    const { ciphertext = '' } = sealed as { readonly ciphertext?: string };
    expect(await answer(ring, ['decrypt', '--context', 'patients:7:notes'], ciphertext)).toMatchObject({
      result: { plaintext: 'Patient has diabetes' },
    });
    await ring.put(KEY, undefined, ['mine']);
    expect(await answer(ring, ['adopt', '--version-id', ring.idOf(4)])).toMatchObject({
      result: { rescued: { number: 4 } },
    });
    await ring.service.advance(25 * HOUR);
    expect(await answer(ring, ['retire', '1', '--yes'])).toMatchObject({ result: { retired: [{ number: 1 }] } });
    expect(await answer(ring, ['status'])).toMatchObject({ result: { retired: [{ number: 1, isLeft: true }] } });
    expect(await answer(ring, ['retire', '1', '--yes'])).toMatchObject({ result: { alreadyRetired: [1] } });
    expect(await answer(ring, ['restore', '1'])).toMatchObject({ result: { numbers: [1] } });
  });

  test('is described for every command that has it; four of them run with a database (test/postgres), three with files (backup, evidence)', async () => {
    const ring = await ringWith(current(1));
    const { stdout } = await pazpazKeys(ring, ['--help']);
    const withJson: string[] = [];
    for (const [, name = ''] of stdout.matchAll(/^ {2}([a-z][a-z-]*) /gm)) {
      if ((await pazpazKeys(ring, [name, '--help'])).stdout.includes('--json ')) withJson.push(name);
    }
    expect(withJson.sort()).toEqual(DESCRIBED_COMMANDS.toSorted());
    const ran = new Set([
      ...RUNS.map(([[name = '']]) => name),
      'backup',
      'restore-ring',
      'census',
      'columns',
      'reencrypt',
      'maintain',
      'evidence',
    ]);
    expect([...ran].sort()).toEqual(DESCRIBED_COMMANDS.toSorted());
  });

  test.each(COMMANDS)('has a schema of draft 7 for $name, which the command schema prints', async (command) => {
    const { exitCode, stdout } = await pazpazKeys(await ringWith(current(1)), ['schema', command.name]);
    expect(exitCode).toBe(0);
    const schema = JSON.parse(stdout) as object;
    expect(schema).toEqual(JSON.parse(JSON.stringify(jsonSchema(command))));
    expect(new Ajv().validateSchema(schema)).toBe(true);
    // An object that lets unknown members through would hold no one to anything.
    expect(openObjects(schema)).toEqual([]);
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

/** Places in a schema where an object may have any further member. */
function openObjects(schema: unknown, at = ''): readonly string[] {
  if (typeof schema !== 'object' || schema === null) return [];
  const isOpen = 'type' in schema && schema.type === 'object' && !('additionalProperties' in schema);
  const inner = Object.entries(schema).flatMap(([name, part]) => openObjects(part, `${at}/${name}`));
  return isOpen ? [at, ...inner] : inner;
}

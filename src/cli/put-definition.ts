import { buffer } from 'node:stream/consumers';
import { KeyMaterial } from '../format/key-material.ts';
import { wrongUsage, type CommandDefinition } from './command.ts';
import { givenBytes, givenText, valueOfSecret, type GivenValue } from './commands/given-value.ts';
import { runPut, runPutNotCurrent } from './commands/put.ts';
import { putLine } from './screen/result-screen.ts';
import type { Session } from './session.ts';
import type { World } from './world.ts';

interface PutFlags {
  readonly notCurrent?: boolean;
  readonly generate?: boolean;
  /** `true`: the variable's usual name. */
  readonly fromEnv?: string | boolean;
  readonly fromSecret?: string;
}

const USUAL_VARIABLE = 'ENCRYPTION_MASTER_KEY';

export const PUT: CommandDefinition<PutFlags> = {
  name: 'put',
  summary: 'Put a key: make it current, or add it only to read',
  details:
    'The key comes from standard input, from --from-env, from --from-secret or from --generate, never from an argument. It is stored as the current key is: base64, the same JSON with another key, or 32 bytes. Refused while a rotation is under way.',
  examples: [
    'pazpaz-keys put --generate --yes',
    'pazpaz-keys put --yes < key.txt',
    'pazpaz-keys put --not-current --from-env ENCRYPTION_MASTER_KEY',
    'pazpaz-keys put --not-current --from-secret pazpaz/encryption-key-v2',
  ],
  writes: 'asks',
  setUp: (command) =>
    command
      .option('--not-current', 'add a key that only reads, such as one with which data was written in an outage')
      .option('--generate', 'make a new random key')
      .option('--from-env [variable]', `take it from an environment variable (default: ${USUAL_VARIABLE})`)
      .option('--from-secret <name>', 'take it from the current value of another secret'),
  run: async (session, options, _, world) => {
    const value = await givenValue(session, options, world);
    const result = await (options.notCurrent === true ? runPutNotCurrent : runPut)(session.deps, value);
    return { result, lines: () => [putLine(result)] };
  },
};

async function givenValue({ deps }: Session, options: PutFlags, world: World): Promise<GivenValue> {
  const { generate, fromEnv, fromSecret, notCurrent } = options;
  if ([generate, fromEnv, fromSecret].filter((source) => source !== undefined).length > 1) {
    wrongUsage('Name one source of the key: --generate, --from-env or --from-secret.');
  }
  if (fromSecret !== undefined) return valueOfSecret(deps, fromSecret);
  if (fromEnv !== undefined) {
    const name = typeof fromEnv === 'string' ? fromEnv : USUAL_VARIABLE;
    const text = world.environment[name];
    if (text === undefined || text === '') wrongUsage(`The environment variable ${name} is not set.`);
    return givenText(text, `Environment variable ${name}`);
  }
  if (generate === true) {
    if (notCurrent === true) wrongUsage('A new random key has encrypted nothing: --generate is not for --not-current.');
    const bytes = KeyMaterial.fromBytes(world.randomKey()).exportBytes();
    return givenText(bytes.toString('base64'), 'The generated key');
  }
  if (world.stdin.isTTY === true) {
    wrongUsage(
      'Give the key on standard input (pazpaz-keys put < key.txt), or say --generate, --from-env or --from-secret.',
    );
  }
  return givenBytes(await buffer(world.stdin), 'Standard input');
}

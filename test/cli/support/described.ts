import Ajv from 'ajv';
import { COMMANDS } from '../../../src/cli/commands/all.ts';
import { jsonSchema } from '../../../src/cli/json/schema.ts';

/** What a command printed with `--json`, held to the schema of that command. */
export function asDescribed(command: string, stdout: string): Readonly<Record<string, unknown>> {
  const described = COMMANDS.find(({ name }) => name === command);
  if (described === undefined) throw new Error(`${command} has no schema`);
  const schema = jsonSchema(described);
  const parsed: unknown = JSON.parse(stdout);
  const ajv = new Ajv({ allErrors: true });
  void ajv.validate(schema, parsed);
  expect(ajv.errors).toBeNull();
  return parsed as Readonly<Record<string, unknown>>;
}

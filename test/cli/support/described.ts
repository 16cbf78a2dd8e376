import Ajv from 'ajv';
import { jsonSchema } from '../../../src/cli/json/schema.ts';

/** What a command printed with `--json`, held to the schema of that command. */
export function asDescribed(command: string, stdout: string): Readonly<Record<string, unknown>> {
  const schema = jsonSchema(command);
  if (schema === undefined) throw new Error(`${command} has no schema`);
  const parsed: unknown = JSON.parse(stdout);
  const ajv = new Ajv({ allErrors: true });
  void ajv.validate(schema, parsed);
  expect(ajv.errors).toBeNull();
  return parsed as Readonly<Record<string, unknown>>;
}

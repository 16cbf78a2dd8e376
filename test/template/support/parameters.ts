import { at, list, object, spelled, text, type Json, type JsonObject } from './json.ts';
import { TEMPLATE } from './template-file.ts';

/** Parameters as typed by anyone who deploys; those left out take their defaults. */
export type Parameters = Readonly<Record<string, string>>;

const DECLARED = object(TEMPLATE['Parameters']);

/** What `Ref` gives for each parameter: a text, or a list for a CommaDelimitedList. */
export function parameterValues(given: Parameters): JsonObject {
  const unknown = Object.keys(given).find((name) => !(name in DECLARED));
  if (unknown !== undefined) throw new Error(`the template has no parameter ${unknown}`);
  return Object.fromEntries(
    Object.entries(DECLARED).map(([name, declared]): [string, Json] => {
      const value = given[name] ?? spelled(at(declared, 'Default'));
      return [name, at(declared, 'Type') === 'CommaDelimitedList' ? value.split(',') : value];
    }),
  );
}

/**
 * What CloudFormation answers to parameters that it does not accept: the parameter's own message. It tests the whole
 * value against AllowedPattern, and each item of a list ('Parameters' in the CloudFormation User Guide).
 */
export function refusals(given: Parameters): readonly string[] {
  return Object.entries(parameterValues(given))
    .filter(([name, value]) => ![value].flat().every((item) => accepts(object(DECLARED[name]), text(item))))
    .map(([name]) => text(at(DECLARED, name, 'ConstraintDescription')));
}

function accepts(declared: JsonObject, value: string): boolean {
  const isNumber = declared['Type'] === 'Number';
  if (isNumber && (value.trim() === '' || !Number.isFinite(Number(value)))) return false;
  const allowed = declared['AllowedValues'];
  // A pattern is for texts and lists only.
  const pattern = isNumber ? undefined : declared['AllowedPattern'];
  return (
    (allowed === undefined || list(allowed).map(spelled).includes(value)) &&
    (pattern === undefined || new RegExp(`^(?:${text(pattern)})$`).test(value)) &&
    !(Number(value) < Number(declared['MinValue'] ?? value)) &&
    !(Number(value) > Number(declared['MaxValue'] ?? value))
  );
}

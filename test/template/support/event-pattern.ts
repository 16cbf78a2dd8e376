import { isObject, list, object, text, type Json, type JsonObject } from './json.ts';

/**
 * Whether EventBridge would hand an event to a rule with this pattern ('Comparison operators for use in event
 * patterns' of its User Guide, as far as the template goes). An operator that is not known here throws.
 */
export function eventMatches(pattern: Json | undefined, event: Json | undefined): boolean {
  return Object.entries(object(pattern)).every(([key, wanted]) => {
    if (key === '$or') return list(wanted).some((one) => eventMatches(one, event));
    const found = isObject(event) ? event[key] : undefined;
    return isObject(wanted) ? eventMatches(wanted, found) : leafMatches(list(wanted), found);
  });
}

function leafMatches(wanted: readonly Json[], found: Json | undefined): boolean {
  const values: readonly (Json | undefined)[] = Array.isArray(found) ? found : [found];
  return wanted.some((one) => values.some((value) => (isObject(one) ? operatorMatches(one, value) : one === value)));
}

/** An operator tells nothing of a field that is not there, `anything-but` included; only `exists` does. */
function operatorMatches(operator: JsonObject, value: Json | undefined): boolean {
  const [[name, operand] = ['', null], ...others] = Object.entries(operator);
  if (others.length > 0) throw new Error(`an operator with several names: ${JSON.stringify(operator)}`);
  switch (name) {
    case 'exists':
      return (value !== undefined && !isObject(value)) === operand;
    case 'prefix':
      return typeof value === 'string' && value.startsWith(text(operand));
    case 'suffix':
      return typeof value === 'string' && value.endsWith(text(operand));
    case 'anything-but':
      return value !== undefined && !isObject(value) && ![operand].flat().includes(value);
    default:
      throw new Error(`operator ${name} is unknown to these tests`);
  }
}

import { isObject, list, object, text, texts, type Json, type JsonObject } from './json.ts';

/** A call as IAM sees it. */
export interface Call {
  readonly action: string;
  readonly resource: string;
  /** Condition keys of the request (`kms:ViaService` and so on). */
  readonly context?: Readonly<Record<string, string>>;
}

/**
 * Whether these policies, taken together, allow a call: an explicit deny wins, without an allow nothing is allowed
 * ('Policy evaluation logic' of the IAM User Guide). A policy of a resource counts like one of the caller, which is
 * how it is within one account. Operators that the template does not use throw.
 */
export function isAllowed(policies: readonly (Json | undefined)[], call: Call): boolean {
  const applying = policies
    .flatMap((policy) => list(object(policy)['Statement']).map(object))
    .filter((statement) => applies(statement, call));
  return applying.some(({ Effect }) => Effect === 'Allow') && !applying.some(({ Effect }) => Effect === 'Deny');
}

function applies(statement: JsonObject, { action, resource, context = {} }: Call): boolean {
  return (
    texts(statement['Action']).some((pattern) => like(pattern.toLowerCase(), action.toLowerCase())) &&
    texts(statement['Resource']).some((pattern) => like(pattern, resource)) &&
    Object.entries(object(statement['Condition'] ?? {})).every(([operator, keys]) =>
      Object.entries(object(keys)).every(([key, wanted]) => holds(operator, wanted, context[key])),
    )
  );
}

/** A key that the request does not have: positive operators do not hold, negated ones do. */
function holds(operator: string, wanted: Json, found: string | undefined): boolean {
  if (isObject(wanted)) throw new Error('a condition holds an object');
  const isOneOf = (equal: (pattern: string, value: string) => boolean) =>
    found !== undefined && texts(wanted).some((pattern) => equal(pattern, found));
  switch (operator) {
    case 'StringEquals':
    case 'Bool':
      return isOneOf((pattern, value) => pattern === value);
    case 'ArnLike':
    case 'ArnEquals':
      return isOneOf(like);
    case 'ArnNotEquals':
      return !isOneOf(like);
    default:
      throw new Error(`condition operator ${operator} is unknown to these tests`);
  }
}

function like(pattern: string, value: string): boolean {
  const source = text(pattern)
    .split('*')
    .map((part) => part.replace(/[.+?^${}()|[\]\\]/g, '\\$&'))
    .join('.*');
  return new RegExp(`^${source}$`).test(value);
}

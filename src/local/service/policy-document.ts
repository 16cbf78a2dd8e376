import { ServiceError } from './service-error.ts';

export interface Policy {
  readonly statements: readonly Statement[];
}

type Statement = Readonly<Record<string, unknown>>;

const VERSIONS: readonly unknown[] = [undefined, '2012-10-17', '2008-10-17'];

/**
 * Checks the syntax of a resource policy ("IAM JSON policy elements reference"): version, and in each statement effect,
 * principal, action and resource. Throws `MalformedPolicyDocumentException`; its words are recorded for a wrong
 * version.
 */
export function checkPolicy(text: string): Policy {
  const document = parse(text);
  if (!isRecord(document) || !VERSIONS.includes(document['Version'])) throw malformed();
  const statement = document['Statement'];
  const statements: readonly unknown[] = Array.isArray(statement) ? statement : [statement];
  if (statements.length === 0) throw malformed();
  return { statements: statements.map(checkedStatement) };
}

/** Whether every principal is allowed something without a condition. */
export function grantsBroadAccess(policy: Policy): boolean {
  return policy.statements.some(
    (statement) =>
      statement['Effect'] === 'Allow' &&
      statement['Condition'] === undefined &&
      (statement['NotPrincipal'] !== undefined || isPublic(statement['Principal'])),
  );
}

function checkedStatement(statement: unknown): Statement {
  if (!isRecord(statement)) throw malformed();
  const effect = statement['Effect'];
  if (effect !== 'Allow' && effect !== 'Deny') throw malformed();
  for (const element of ['Principal', 'Action', 'Resource']) {
    const given = [statement[element], statement[`Not${element}`]].filter((value) => value !== undefined);
    if (given.length !== 1) throw malformed();
  }
  return statement;
}

function isPublic(principal: unknown): boolean {
  if (principal === '*') return true;
  if (Array.isArray(principal)) return principal.includes('*');
  return isRecord(principal) && isPublic(principal['AWS']);
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw malformed();
  }
}

function malformed(): ServiceError {
  return new ServiceError('MalformedPolicyDocumentException', 'This policy has invalid syntax.');
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

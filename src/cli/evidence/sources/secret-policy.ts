import { members, parsedMembers, type Members } from './json-members.ts';

/** What the policy of a secret says to a call: `unknown` if it has a condition that is not known here. */
export type PolicyAnswer = 'denies' | 'allows' | 'silent' | 'unknown';

/**
 * What a resource policy says to a principal's call: an explicit deny wins ('Policy evaluation logic', IAM User Guide).
 * A condition that cannot be decided here makes the answer `unknown`, never a guess.
 */
export function policyAnswer(
  policy: string | undefined,
  principal: string,
  action: string,
  resource?: string,
): PolicyAnswer {
  if (policy === undefined) return 'silent';
  const statements = listOf(parsedMembers(policy)['Statement']).map(members);
  const answers = statements.flatMap((statement) => {
    const applies = appliesTo(statement, principal, action, resource);
    return applies === false ? [] : [{ effect: statement['Effect'], isSure: applies === true }];
  });
  if (answers.some(({ effect, isSure }) => effect === 'Deny' && isSure)) return 'denies';
  if (answers.some(({ isSure }) => !isSure)) return 'unknown';
  return answers.some(({ effect }) => effect === 'Allow') ? 'allows' : 'silent';
}

/** A role that no policy names. */
export function strangerIn(account: string): string {
  return `arn:aws:iam::${account}:role/stranger`;
}

/** Principals of any account that a policy may let in: one that it does not name, and one for each of its patterns. */
export function strangersIn(policy: string | undefined): readonly string[] {
  const patterns = manyIn(policy).flatMap((name) => {
    const [, start, account = '', rest = ''] = /^(arn:[^:]+:iam::)([\d*?]+)(:.+)$/.exec(name) ?? [];
    return start === undefined || !/[*?]/.test(account) ? [] : [`${start}${ANYONE}${rest.replace(/[*?]/g, 'x')}`];
  });
  return [strangerIn(ANYONE), ...patterns];
}

const ANYONE = '000000000000';

/** What a policy names in other accounts: principals, or whole accounts. */
export function foreignersIn(policy: string | undefined, account: string): readonly string[] {
  return namedIn(policy).filter((name) => {
    const [, of] = /^(?:arn:[^:]+:(?:iam|sts)::)?(\d{12})(?::|$)/.exec(name) ?? [];
    return of !== undefined && of !== account;
  });
}

/** Principals that a policy names: in `Principal`, and in conditions on `aws:PrincipalArn`. */
export function principalsIn(policy: string | undefined): readonly string[] {
  return namedIn(policy).filter((name) => PRINCIPAL.test(name));
}

/** What a policy names instead of a principal, and is not one: a pattern, an account, a session, a service. */
export function manyIn(policy: string | undefined): readonly string[] {
  return namedIn(policy).filter((name) => !PRINCIPAL.test(name));
}

const PRINCIPAL = /^arn:[^:]+:iam::\d{12}:(role|user)\/[^*?]+$/;

function namedIn(policy: string | undefined): readonly string[] {
  const found = listOf(parsedMembers(policy ?? '')['Statement']).flatMap((each) => {
    const statement = members(each);
    const conditions = Object.values(members(statement['Condition'])).flatMap((keys) =>
      textsOf(Object.entries(members(keys)).find(([key]) => key.toLowerCase() === 'aws:principalarn')?.[1]),
    );
    const { Principal } = statement;
    const named = Principal === '*' ? ['*'] : Object.values(members(Principal)).flatMap(textsOf);
    // A deny to all grants nothing, so no one needs to be asked about.
    const isOfAll = statement['Effect'] === 'Deny';
    return [...named.filter((name) => !(isOfAll && name === '*')), ...conditions];
  });
  return [...new Set(found)].sort();
}

function appliesTo(
  statement: Members,
  principal: string,
  action: string,
  resource: string | undefined,
): boolean | 'unknown' {
  const { NotPrincipal, Resource } = statement;
  if (['NotAction', 'NotResource'].some((name) => statement[name] !== undefined)) return 'unknown';
  // A deny to all but some may leave out a session of one of them; an allow is for everyone else.
  if (NotPrincipal !== undefined && statement['Effect'] !== 'Allow') return 'unknown';
  if (resource !== undefined && Resource !== undefined && !textsOf(Resource).some((pattern) => like(pattern, resource)))
    return false;
  if (!textsOf(statement['Action']).some((pattern) => like(pattern.toLowerCase(), action.toLowerCase()))) return false;
  const { Principal } = statement;
  const asked = NotPrincipal ?? Principal;
  const names = asked === '*' ? ['*'] : textsOf(members(asked)['AWS']);
  const account = principal.split(':')[4] ?? '';
  const isNamed = names.some(
    (name) => name === '*' || name === principal || name === account || name.endsWith(`::${account}:root`),
  );
  if (isNamed === (NotPrincipal !== undefined)) return false;
  const results = Object.entries(members(statement['Condition'])).flatMap(([operator, keys]) =>
    Object.entries(members(keys)).map(([key, wanted]) => holds(operator, key, textsOf(wanted), principal)),
  );
  if (results.includes(false)) return false;
  return results.includes('unknown') ? 'unknown' : true;
}

/** A condition on who calls. Every other key is unknown here, but for the one that only a deletion without recovery has. */
function holds(operator: string, key: string, wanted: readonly string[], principal: string): boolean | 'unknown' {
  const name = key.toLowerCase();
  if (name === 'aws:principalarn') {
    const isOne = wanted.some((pattern) => like(pattern, principal));
    if (/^(Arn|String)(Equals|Like)$/.test(operator)) return isOne;
    return /^(Arn|String)Not(Equals|Like)$/.test(operator) ? !isOne : 'unknown';
  }
  if (operator === 'Bool' && name === 'aws:principalisawsservice') return wanted.includes('false');
  if (operator === 'Bool' && name === 'secretsmanager:forcedeletewithoutrecovery') return wanted.includes('false');
  return 'unknown';
}

function like(pattern: string, value: string): boolean {
  const source = pattern
    .replace(/[.+^${}()|[\]\\]/g, '\\$&')
    .replaceAll('*', '.*')
    .replaceAll('?', '.');
  return new RegExp(`^${source}$`).test(value);
}

function textsOf(value: unknown): readonly string[] {
  return listOf(value).filter((one): one is string => typeof one === 'string');
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : value === undefined ? [] : [value];
}

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
  return verdictOf(policy, principal, action, resource).answer;
}

/** The answer, and what it depends on where it is `unknown`: each a sentence without a full stop. */
export interface PolicyVerdict {
  readonly answer: PolicyAnswer;
  readonly because: readonly string[];
  /** Whether a deny may apply. */
  readonly mayDeny: boolean;
}

/** `policyAnswer` with its reasons. */
export function verdictOf(
  policy: string | undefined,
  principal: string,
  action: string,
  resource?: string,
): PolicyVerdict {
  const statements = listOf(parsedMembers(policy ?? '')['Statement']).map(members);
  const answers = statements.flatMap((statement) => {
    const applies = appliesTo(statement, principal, action, resource);
    return applies === false ? [] : [{ statement, isDeny: statement['Effect'] === 'Deny', isSure: applies === true }];
  });
  const sure = (answer: PolicyAnswer): PolicyVerdict => ({ answer, because: [], mayDeny: answer === 'denies' });
  if (answers.some(({ isDeny, isSure }) => isDeny && isSure)) return sure('denies');
  const unsure = answers.filter(({ isSure }) => !isSure);
  const isAllowed = answers.some(({ isDeny, isSure }) => !isDeny && isSure);
  // An allow under a condition changes nothing beside one without.
  const open = unsure.filter(({ isDeny }) => isDeny || !isAllowed);
  if (open.length === 0) return sure(isAllowed ? 'allows' : 'silent');
  const because = open.map(
    ({ statement, isDeny }) => `${isDeny ? 'denied' : 'allowed'} under a condition: ${conditionOf(statement)}`,
  );
  return { answer: 'unknown', because: [...new Set(because)], mayDeny: open.some(({ isDeny }) => isDeny) };
}

/** What a statement that may apply depends on, as the policy says it. */
function conditionOf(statement: Members): string {
  const parts = ['Condition', 'NotPrincipal', 'NotResource'].flatMap((name) =>
    statement[name] === undefined ? [] : [name === 'Condition' ? statement[name] : { [name]: statement[name] }],
  );
  return parts.map((part) => JSON.stringify(part)).join(' ');
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
  if (!namesAction(statement, action) || !mayName(statement, resource)) return false;
  const named = namesPrincipal(statement, principal);
  if (named === false) return false;
  const results = Object.entries(members(statement['Condition'])).flatMap(([operator, keys]) =>
    Object.entries(members(keys)).map(([key, wanted]) => holds(operator, key, textsOf(wanted), principal)),
  );
  if (results.includes(false)) return false;
  const isSure = named === true && !(resource === undefined && statement['NotResource'] !== undefined);
  return results.includes('unknown') || !isSure ? 'unknown' : true;
}

/** `NotAction` names every action but those. */
function namesAction({ Action, NotAction }: Members, action: string): boolean {
  const isIn = (patterns: unknown): boolean =>
    textsOf(patterns).some((pattern) => like(pattern.toLowerCase(), action.toLowerCase()));
  return NotAction === undefined ? isIn(Action) : !isIn(NotAction);
}

function mayName({ Resource, NotResource }: Members, resource: string | undefined): boolean {
  if (resource === undefined) return true;
  const isIn = (patterns: unknown): boolean => textsOf(patterns).some((pattern) => like(pattern, resource));
  return NotResource === undefined ? Resource === undefined || isIn(Resource) : !isIn(NotResource);
}

/** A deny to all but some may leave out the account of one of them, or a session alone: then only IAM knows. */
function namesPrincipal({ Effect, Principal, NotPrincipal }: Members, principal: string): boolean | 'unknown' {
  const asked = NotPrincipal ?? Principal;
  const names = asked === '*' ? ['*'] : textsOf(members(asked)['AWS']);
  const account = principal.split(':')[4] ?? '';
  const session = principal.replace(/^(arn:[^:]+):iam:(:\d+):role\/(?:.*\/)?/, '$1:sts:$2:assumed-role/');
  const isNamed = names.some(
    (name) => name === '*' || name === principal || name === account || name.endsWith(`::${account}:root`),
  );
  if (NotPrincipal === undefined) return isNamed;
  if (Effect !== 'Deny') return !isNamed;
  return isNamed || names.some((name) => name.startsWith(`${session}/`)) ? 'unknown' : true;
}

/** A condition on who calls. Every other key is unknown here, but for the one that only a deletion without recovery has. */
function holds(operator: string, key: string, wanted: readonly string[], principal: string): boolean | 'unknown' {
  const name = key.toLowerCase();
  if (name === 'aws:principalarn') {
    const [, kind, not, comparison] = /^(Arn|String)(Not)?(Equals|Like)$/.exec(operator) ?? [];
    if (kind === undefined) return 'unknown';
    // Only StringEquals takes `*` and `?` as they stand.
    const isLiteral = kind === 'String' && comparison === 'Equals';
    const isOne = wanted.some((pattern) => (isLiteral ? pattern === principal : like(pattern, principal)));
    return isOne === (not === undefined);
  }
  // Secrets Manager answers over TLS only.
  if (operator === 'Bool' && name === 'aws:securetransport') return wanted.includes('true');
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

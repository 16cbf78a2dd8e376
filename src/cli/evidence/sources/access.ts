import type { SimulatePrincipalPolicyCommandInput, SimulatePrincipalPolicyCommandOutput } from '@aws-sdk/client-iam';
import type { UnseenList } from '../unseen.ts';
import type { AccessFacts } from '../evidence.ts';
import { manyIn, principalsIn, verdictOf, type PolicyVerdict } from './secret-policy.ts';

/** Calls that read a key, change one, or change who may. */
export const ACTIONS = [
  'secretsmanager:GetSecretValue',
  'secretsmanager:PutSecretValue',
  'secretsmanager:UpdateSecretVersionStage',
  'secretsmanager:UpdateSecret',
  'secretsmanager:RotateSecret',
  'secretsmanager:CancelRotateSecret',
  'secretsmanager:TagResource',
  'secretsmanager:UntagResource',
  'secretsmanager:DeleteSecret',
  'secretsmanager:PutResourcePolicy',
  'secretsmanager:DeleteResourcePolicy',
] as const;

interface AccessOptions {
  readonly secretArn: string;
  /** The secret's policy; `undefined` without one. */
  readonly policy: string | undefined;
  readonly isPolicySeen: boolean;
  /** Principals to ask about, besides those that the policy names. */
  readonly principals: readonly string[];
  readonly simulate: (input: SimulatePrincipalPolicyCommandInput) => Promise<SimulatePrincipalPolicyCommandOutput>;
}

/**
 * What each principal may do with the secret: its own policies as IAM simulates them, and the policy of the secret. The
 * simulator takes no resource policy for a role, so that one is evaluated here.
 */
export async function accessFacts(
  { secretArn, policy, isPolicySeen, principals, simulate }: AccessOptions,
  unseen: UnseenList,
): Promise<AccessFacts['principals']> {
  const found: AccessFacts['principals'][number][] = [];
  for (const many of manyIn(policy)) {
    const why = 'it stands for more than one principal; name each with --principal';
    unseen.add(`what ${many} may do with the secret`, 'iam:SimulatePrincipalPolicy', why);
  }
  const asked = new Set([...principals, ...principalsIn(policy)]);
  if (asked.size === 0) {
    const why = 'no principal is known; name each with --principal';
    unseen.add('what each principal may do with the secret', 'iam:SimulatePrincipalPolicy', why);
  }
  for (const arn of asked) {
    const answer = await unseen.ask('IAM', `what ${arn} may do with the secret`, 'iam:SimulatePrincipalPolicy', () =>
      simulate({
        PolicySourceArn: arn,
        ActionNames: [...ACTIONS],
        ResourceArns: [secretArn],
        ContextEntries: [
          { ContextKeyName: 'aws:PrincipalArn', ContextKeyType: 'string', ContextKeyValues: [arn] },
          { ContextKeyName: 'aws:PrincipalIsAWSService', ContextKeyType: 'boolean', ContextKeyValues: ['false'] },
        ],
      }),
    );
    if (answer === undefined) continue;
    const calls = ACTIONS.map((action) => {
      const { EvalDecision, MissingContextValues = [] } =
        answer.EvaluationResults?.find(({ EvalActionName }) => EvalActionName === action) ?? {};
      // It was decided as if the call had no such value, and a call with multi-factor authentication, say, has one.
      const own: OwnPolicies = { decision: EvalDecision, depends: MissingContextValues };
      const verdict = isPolicySeen ? verdictOf(policy, arn, action, secretArn) : UNSEEN;
      return { action, ...together(own, verdict) };
    });
    const of = (may: 'yes' | 'unknown') => calls.filter((call) => call.may === may).map(({ action }) => action);
    const conditions = calls.flatMap(({ action, because }) => because.map((text) => ({ action, text })));
    found.push({
      arn,
      may: of('yes'),
      unknown: of('unknown'),
      ...(conditions.length === 0 ? {} : { conditions }),
    });
  }
  return found;
}

/** What the principal's own policies say. */
interface OwnPolicies {
  readonly decision: string | undefined;
  /** Keys of conditions that the simulator had no value for. */
  readonly depends: readonly string[];
}

const UNSEEN: PolicyVerdict = { answer: 'unknown', because: [], mayDeny: true };

/** Within one account, a call needs an allow from either side, and no deny from any ('Policy evaluation logic'). */
function together(
  { decision, depends }: OwnPolicies,
  { answer, because, mayDeny }: PolicyVerdict,
): { readonly may: 'yes' | 'no' | 'unknown'; readonly because: readonly string[] } {
  const isSure = decision !== undefined && depends.length === 0;
  if ((decision === 'explicitDeny' && isSure) || answer === 'denies') return { may: 'no', because: [] };
  if (isSure && decision === 'allowed' && !mayDeny) return { may: 'yes', because: [] };
  const own = depends.length === 0 ? [] : [`its own policies depend on ${depends.join(', ')}`];
  if (!isSure || answer === 'unknown') return { may: 'unknown', because: [...because, ...own] };
  return { may: answer === 'allows' ? 'yes' : 'no', because: [] };
}

import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { EVIDENCE_SCHEMA } from '../../../src/cli/evidence/schema.ts';
import { entriesOf } from '../../../src/cli/evidence/sources/trail-event.ts';
import { ALARMS, prefixOf } from '../../../src/cli/evidence/sources/alarms.ts';
import { policyAnswer, principalsIn } from '../../../src/cli/evidence/sources/secret-policy.ts';
import { isAllowed } from '../../template/support/policy-evaluation.ts';
import { OPERATOR_ROLE_ARN } from '../../template/support/deployments.ts';
import { list, object, parseJson, text, texts } from '../../template/support/json.ts';
import { GUARDED_CALLS, principals } from '../../template/support/principals.ts';
import { deploy } from '../../template/support/stack.ts';

const NAME = 'pazpaz/encryption-key-v1';
const ARN = `arn:aws:secretsmanager:us-east-1:123456789012:secret:${NAME}-AbCdEf`;
const KMS = 'arn:aws:kms:us-east-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab';
const ABOUT = {
  name: NAME,
  arn: ARN,
  kmsKeyIds: [KMS],
  numberOf: new Map([
    ['one', 1],
    ['two', 2],
  ]),
};

function entries(eventName: string, requestParameters: object, more: object = {}) {
  const event = {
    eventName,
    eventTime: '2026-11-30T08:00:00Z',
    eventSource: 'secretsmanager.amazonaws.com',
    requestParameters,
    ...more,
  };
  return entriesOf(JSON.stringify(event), ABOUT).map(({ event: code, number, versionId }) => [
    code,
    number ?? versionId,
  ]);
}

const ofSecret = (input: object) => ({ secretId: NAME, ...input });

describe('a record of CloudTrail', () => {
  test.each([
    ['PutSecretValue', { clientRequestToken: 'two', versionStages: ['AWSPENDING'] }, [['key-made', 'two']]],
    [
      'PutSecretValue',
      { clientRequestToken: 'two' },
      [
        ['key-put', 'two'],
        ['made-current', 'two'],
      ],
    ],
    ['PutSecretValue', { clientRequestToken: 'two', versionStages: ['key-incoming'] }, [['key-put', 'two']]],
    [
      'UpdateSecretVersionStage',
      { versionStage: 'AWSCURRENT', moveToVersionId: 'two', removeFromVersionId: 'one' },
      [['made-current', 'two']],
    ],
    [
      'UpdateSecretVersionStage',
      { versionStage: 'AWSCURRENT', moveToVersionId: 'one', removeFromVersionId: 'two' },
      [['rolled-back', 'one']],
    ],
    ['UpdateSecretVersionStage', { versionStage: 'key-v2', moveToVersionId: 'two' }, [['number-given', 2]]],
    ['UpdateSecretVersionStage', { versionStage: 'key-v2', removeFromVersionId: 'two' }, [['number-removed', 2]]],
    ['UpdateSecretVersionStage', { versionStage: 'AWSPENDING', removeFromVersionId: 'two' }, []],
    ['TagResource', { tags: [{ key: 'pazpaz:retired:key-v1', value: 'one 2026' }] }, [['key-retired', 1]]],
    ['TagResource', { tags: [{ key: 'pazpaz:retired:key-v1', value: 'one 2026 restoring' }] }, []],
    ['TagResource', { tags: [{ key: 'pazpaz:backup', value: '2026 1 2' }] }, [['backup-made', undefined]]],
    ['UntagResource', { tagKeys: ['pazpaz:retired:key-v1'] }, [['key-restored', 1]]],
    ['UntagResource', { tagKeys: ['pazpaz:retired:key-v9'] }, []],
    ['RotateSecret', { clientRequestToken: 'two' }, [['rotation-begun', 'two']]],
    ['PutResourcePolicy', {}, [['secret-changed', undefined]]],
    ['GetSecretValue', {}, []],
  ])('%s %j', (name, input, expected) => {
    expect(entries(name, ofSecret(input))).toEqual(expected);
  });

  test('names the secret in any of three ways, or in the data of an event of the service', () => {
    for (const secretId of [NAME, ARN, ARN.slice(0, -7)])
      expect(entries('CancelRotateSecret', { secretId })).toHaveLength(1);
    expect(entries('CancelRotateSecret', { secretId: `${NAME}-other` })).toEqual([]);
    const own = { additionalEventData: { SecretId: ARN } };
    expect(entries('RotationSucceeded', {}, own)).toEqual([['rotation-succeeded', undefined]]);
    expect(entries('RotationFailed', {}, own)).toEqual([['rotation-failed', undefined]]);
  });

  test('of a call that was refused, and a text that is no record, say nothing', () => {
    expect(entries('PutSecretValue', ofSecret({}), { errorCode: 'AccessDenied' })).toEqual([]);
    expect(entriesOf('not JSON', ABOUT)).toEqual([]);
  });

  test('of a KMS key counts where it is one of the secret', () => {
    const ofKms = { eventSource: 'kms.amazonaws.com' };
    expect(entries('DisableKey', { keyId: KMS }, ofKms)).toEqual([['kms-key-changed', undefined]]);
    expect(entries('DisableKey', { keyId: KMS.split('/')[1] }, ofKms)).toHaveLength(1);
    expect(entries('DisableKey', { keyId: KMS.replace('1234abcd', '0') }, ofKms)).toEqual([]);
  });
});

describe('the policy of the secret', () => {
  const stack = deploy({ OperatorRoleArn: OPERATOR_ROLE_ARN });
  const policy = stack.property('SecretPolicy', 'ResourcePolicy');
  const text = JSON.stringify(policy);

  test('of the template is read as the simulation of the template reads it', () => {
    for (const { arn } of principals(stack)) {
      for (const name of [...GUARDED_CALLS, 'GetSecretValue']) {
        const action = `secretsmanager:${name}`;
        const context = { 'aws:PrincipalArn': arn, 'aws:PrincipalIsAWSService': 'false' };
        const allowed = { Statement: [{ Effect: 'Allow', Action: '*', Resource: '*' }] };
        const isDenied = !isAllowed([allowed, policy], { action, resource: ARN, context });
        expect([arn, name, policyAnswer(text, arn, action)]).toEqual([arn, name, isDenied ? 'denies' : 'silent']);
      }
    }
    expect(principalsIn(text)).toContain(OPERATOR_ROLE_ARN);
  });

  test.each([
    ['a condition that is not known', { Condition: { IpAddress: { 'aws:SourceIp': '10.0.0.0/8' } } }, 'unknown'],
    ['NotPrincipal, which names another role', { NotPrincipal: { AWS: 'arn:aws:iam::123456789012:role/a' } }, 'denies'],
    ['NotPrincipal, which names this role', { NotPrincipal: { AWS: 'arn:aws:iam::123456789012:role/b' } }, 'unknown'],
    ['NotPrincipal, which names its account', { NotPrincipal: { AWS: '123456789012' } }, 'unknown'],
    [
      'NotPrincipal, which names a session of this role',
      { NotPrincipal: { AWS: 'arn:aws:sts::123456789012:assumed-role/b/me' } },
      'unknown',
    ],
    ['NotAction without this one', { Action: undefined, NotAction: 'secretsmanager:Describe*' }, 'denies'],
    ['NotAction with this one', { Action: undefined, NotAction: ['secretsmanager:get*'] }, 'silent'],
    ['NotResource, where no resource is asked about', { Resource: undefined, NotResource: ARN }, 'unknown'],
    ['another account', { Principal: { AWS: '999999999999' } }, 'silent'],
    ['this account', { Principal: { AWS: 'arn:aws:iam::123456789012:root' } }, 'denies'],
    ['another action', { Action: 'secretsmanager:Put*' }, 'silent'],
    ['a pattern of actions', { Action: 'secretsmanager:Get*' }, 'denies'],
  ])('with %s', (_, part, answer) => {
    const statement = {
      Effect: 'Deny',
      Principal: '*',
      Action: 'secretsmanager:GetSecretValue',
      Resource: '*',
      ...part,
    };
    const asked = JSON.stringify({ Statement: [statement] });
    expect(policyAnswer(asked, 'arn:aws:iam::123456789012:role/b', 'secretsmanager:GetSecretValue')).toBe(answer);
  });
});

test('the alarms are those that the template makes by default', () => {
  const made = [...deploy().resources.values()].flatMap(({ type, properties }) =>
    type === 'AWS::CloudWatch::Alarm' ? [text(properties['AlarmName'] ?? '').replace('PazPaz', '')] : [],
  );
  expect([...ALARMS].sort()).toEqual(made.sort());
  expect(prefixOf('arn:aws:lambda:us-east-1:123456789012:function:ClinicKeyRotation')).toBe('Clinic');
  expect(prefixOf('arn:aws:lambda:us-east-1:123456789012:function:other')).toBeUndefined();
});

const SCHEMA = 'docs/evidence-schema.json';

test('the schema in docs is that of the program', () => {
  if (process.env['UPDATE_DOCS'] === '1') writeFileSync(SCHEMA, JSON.stringify(EVIDENCE_SCHEMA, undefined, 2));
  expect(JSON.parse(readFileSync(SCHEMA, 'utf8'))).toEqual(JSON.parse(JSON.stringify(EVIDENCE_SCHEMA)));
});

test("the auditor's policy allows every call of the report, and no call that reads a key or changes anything", () => {
  const policy = parseJson(readFileSync('docs/auditor-policy.json', 'utf8'));
  const actions = list(object(policy)['Statement']).flatMap((statement) => texts(object(statement)['Action']));
  const folder = 'src/cli/evidence';
  const sources = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.ts'));
  const needed = sources.flatMap((name) => [
    ...readFileSync(join(folder, name), 'utf8').matchAll(
      /'((?:cloudtrail|cloudwatch|iam|lambda|logs):[A-Z]\w+(?:, cloudtrail:\w+)?)'/g,
    ),
  ]);
  const calls = [...needed.flatMap(([, call = '']) => call.split(', ')), 'secretsmanager:GetResourcePolicy'];
  expect(calls.length).toBeGreaterThan(8);
  expect(calls.filter((call) => !actions.includes(call))).toEqual([]);
  expect(
    actions.filter((action) => !/:(Describe|Get|List|LookupEvents|Filter|Simulate|Sign$|Verify$)/.test(action)),
  ).toEqual([]);
  expect(actions).not.toContain('secretsmanager:GetSecretValue');
});

import { createHash } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { merged, WITHOUT_CENSUS } from '../../../src/cli/evidence/history.ts';
import { requireNoReport } from '../../../src/cli/evidence/files.ts';
import { accessFacts } from '../../../src/cli/evidence/sources/access.ts';
import { foreignersIn, policyAnswer, strangersIn } from '../../../src/cli/evidence/sources/secret-policy.ts';
import { entriesOf } from '../../../src/cli/evidence/sources/trail-event.ts';
import { UnseenList } from '../../../src/cli/evidence/unseen.ts';
import { stopServices } from '../../local/support/running-service.ts';
import { HOUR } from '../../local/support/state-machine.ts';
import { current, previous, ringWith } from '../../support/ring.ts';
import { runStatus } from '../../../src/cli/commands/status.ts';
import { giveCredentials, operatorOf, pazpazKeys } from '../support/operator.ts';

/* What an attacker of reports, or of the secret's policy, must not hide. */

const ARN = 'arn:aws:secretsmanager:us-east-1:123456789012:secret:ring-AbCdEf';
const PUT = 'secretsmanager:PutSecretValue';
const [ROLE, OTHER] = ['arn:aws:iam::123456789012:role/clinic-a', 'arn:aws:iam::999999999999:role/x'];

beforeAll(giveCredentials);
afterEach(stopServices);

const policyOf = (...statements: readonly object[]): string =>
  JSON.stringify({ Statement: statements.map((one) => ({ Action: 'secretsmanager:*', Resource: '*', ...one })) });
const open = (policy: string): boolean =>
  strangersIn(policy).some((stranger) => policyAnswer(policy, stranger, PUT, ARN) === 'allows');

describe('the policy of the secret', () => {
  test('says nothing about this secret where it names another resource', () => {
    const policy = policyOf({ Effect: 'Deny', Principal: '*', Resource: `${ARN}2` });
    expect(policyAnswer(policy, ROLE, PUT, ARN)).toBe('silent');
    expect(policyAnswer(policyOf({ Effect: 'Deny', Principal: '*', Resource: ARN }), ROLE, PUT, ARN)).toBe('denies');
  });

  test.each([
    ['everyone', policyOf({ Effect: 'Allow', Principal: '*' })],
    ['all but one', policyOf({ Effect: 'Allow', NotPrincipal: { AWS: ROLE } })],
    [
      'everyone whose role has a name of any account',
      policyOf(
        { Effect: 'Allow', Principal: '*' },
        {
          Effect: 'Deny',
          Principal: '*',
          Condition: { ArnNotLike: { 'aws:PrincipalArn': 'arn:aws:iam::*:role/clinic-*' } },
        },
      ),
    ],
  ])('is open to %s', (_, policy) => {
    expect(open(policy)).toBe(true);
  });

  test.each([
    ['StringLike', true],
    ['StringEquals', false],
    ['StringNotEquals', true],
    ['ArnEquals', true],
    ['ArnNotEquals', false],
  ])('with %s of * in a condition is open: %s', (operator, isOpen) => {
    const Condition = { [operator]: { 'aws:PrincipalArn': '*' } };
    expect(open(policyOf({ Effect: 'Allow', Principal: '*', Condition }))).toBe(isOpen);
  });

  test('is open where it asks for TLS, which every call has', () => {
    const Condition = { Bool: { 'aws:SecureTransport': 'true' } };
    expect(open(policyOf({ Effect: 'Allow', Principal: '*', Condition }))).toBe(true);
  });

  test('is not open where it names roles of the account', () => {
    expect(open(policyOf({ Effect: 'Allow', Principal: { AWS: ROLE } }))).toBe(false);
    expect(foreignersIn(policyOf({ Effect: 'Allow', Principal: { AWS: [ROLE, OTHER] } }), '123456789012')).toEqual([
      OTHER,
    ]);
  });

  test('that was not seen leaves open what a principal may', async () => {
    const simulate = () =>
      Promise.resolve({
        $metadata: {},
        EvaluationResults: [
          { EvalActionName: PUT, EvalDecision: 'implicitDeny' as const },
          { EvalActionName: 'secretsmanager:DeleteSecret', EvalDecision: 'explicitDeny' as const },
        ],
      });
    const unseen = new UnseenList(() => undefined);
    const asked = { secretArn: ARN, policy: undefined, isPolicySeen: false, principals: [ROLE], simulate };
    const [facts] = await accessFacts(asked, unseen);
    expect(facts?.unknown).toContain(PUT);
    expect(facts?.unknown).not.toContain('secretsmanager:DeleteSecret');
  });

  test('says on which condition an answer depends', async () => {
    const answers =
      (decision: 'allowed' | 'implicitDeny', MissingContextValues: string[] = []) =>
      () =>
        Promise.resolve({
          $metadata: {},
          EvaluationResults: [{ EvalActionName: PUT, EvalDecision: decision, MissingContextValues }],
        });
    const factsOn = async (policy: string, simulate: ReturnType<typeof answers>) => {
      const asked = { secretArn: ARN, policy, isPolicySeen: true, principals: [ROLE], simulate };
      const [facts] = await accessFacts(asked, new UnseenList(() => undefined));
      return { may: facts?.may, unknown: facts?.unknown.includes(PUT), because: facts?.conditions?.[0]?.text };
    };
    const Condition = { IpAddress: { 'aws:SourceIp': '10.0.0.0/8' } };
    const allow = policyOf({ Effect: 'Allow', Principal: '*', Action: PUT, Condition });
    const deny = policyOf({ Effect: 'Deny', Principal: '*', Action: PUT, Condition });
    const text = JSON.stringify(Condition);
    expect(await factsOn(allow, answers('implicitDeny'))).toEqual({
      may: [],
      unknown: true,
      because: `allowed under a condition: ${text}`,
    });
    expect(await factsOn(allow, answers('allowed'))).toEqual({ may: [PUT], unknown: false, because: undefined });
    expect(await factsOn(deny, answers('allowed'))).toEqual({
      may: [],
      unknown: true,
      because: `denied under a condition: ${text}`,
    });
    const depends = await factsOn(policyOf(), answers('implicitDeny', ['aws:MultiFactorAuthPresent']));
    expect(depends.because).toBe('its own policies depend on aws:MultiFactorAuthPresent');
  });

  test('that names no one, beside no other principal, leaves the question open', async () => {
    const unseen = new UnseenList(() => undefined);
    const simulate = () => Promise.reject(new Error('there is no one to ask about'));
    const asked = { secretArn: ARN, policy: undefined, isPolicySeen: true, principals: [], simulate };
    expect(await accessFacts(asked, unseen)).toEqual([]);
    expect(unseen.all).toMatchObject([{ needs: 'iam:SimulatePrincipalPolicy' }]);
  });
});

test('retire --force stays visible when CloudTrail tells of the retirement, too', async () => {
  const ring = await ringWith(1, previous(2), current(3));
  const report = await runStatus(operatorOf(ring).deps);
  const at = '2026-11-30T08:00:00.000Z';
  const own = {
    at,
    event: 'key-retired',
    source: 'tags',
    number: 1,
    versionId: 'one',
    detail: WITHOUT_CENSUS,
  } as const;
  const trail = { at, event: 'key-retired', source: 'cloudtrail', number: 1, by: 'someone' } as const;
  expect(merged([own], [trail], report)).toEqual([{ ...trail, detail: WITHOUT_CENSUS }]);
  const call = {
    eventName: 'TagResource',
    eventTime: at,
    eventSource: 'secretsmanager.amazonaws.com',
    requestParameters: { secretId: ARN, tags: [{ key: 'pazpaz:retired:key-v1', value: `one ${at} forced` }] },
  };
  const about = { name: 'ring', arn: ARN, kmsKeyIds: [], numberOf: new Map<string, number>() };
  expect(entriesOf(JSON.stringify(call), about)).toMatchObject([{ detail: WITHOUT_CENSUS }]);
});

test('a verdict names a retirement without a census, and --verify a page that was replaced', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'open-'));
  const ring = await ringWith(1, previous(2), current(3));
  await ring.enableRotation();
  await pazpazKeys(ring, ['retire', '1', '--force', '--confirm', '1']);
  const [one, two] = [join(folder, 'one'), join(folder, 'two')];
  await pazpazKeys(ring, ['evidence', '--no-rows', '--out', one]);
  await ring.service.advance(HOUR);
  const { stdout } = await pazpazKeys(ring, ['evidence', '--no-rows', '--out', two, '--previous', one]);
  expect(stdout.replace(/\s+/g, ' ')).toContain('without a census (--force): no one counted');
  expect((await pazpazKeys(ring, ['evidence', '--verify', one, two])).exitCode).toBe(0);

  const page = join(one, 'evidence.html');
  const sums = join(one, 'evidence.sha256');
  const hash = (text: string): string => createHash('sha256').update(text).digest('hex');
  await writeFile(sums, (await readFile(sums, 'utf8')).replace(hash(await readFile(page, 'utf8')), hash('forged')));
  await writeFile(page, 'forged');
  const forged = await pazpazKeys(ring, ['evidence', '--verify', one, two]);
  expect([forged.exitCode, forged.stdout.includes('other checksums now')]).toEqual([1, true]);
  await rm(folder, { recursive: true });
});

test('backup refuses a secret with 50 tags before it changes anything', async () => {
  const ring = await ringWith(previous(), current());
  const Tags = Array.from({ length: 50 }, (_, index) => ({ Key: `tag-${index}`, Value: '' }));
  await ring.service.call('TagResource', { SecretId: ring.secret.arn, Tags });
  const before = ring.snapshot;
  const args = ['backup', '--to', join(tmpdir(), 'never'), '--recipient', RECIPIENT];
  expect((await pazpazKeys(ring, args)).stderr).toContain('TOO_MANY_TAGS');
  expect(ring.snapshot).toBe(before);
});

const RECIPIENT = 'age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p';

test('a folder that cannot be made is refused at once, below /proc as well', async () => {
  await expect(requireNoReport('/proc/report/of/today')).rejects.toThrow('cannot be made');
});

test('a folder with a part of a report is not said to have a report', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'part-'));
  await writeFile(join(folder, 'evidence.json'), '{}');
  await writeFile(join(folder, 'evidence.html.0a1b2c3d.partial'), '');
  await expect(requireNoReport(folder)).rejects.toThrow('has a part of a report (evidence.html.0a1b2c3d.partial, ev');
  await writeFile(join(folder, 'evidence.sha256'), '');
  await expect(requireNoReport(folder)).rejects.toThrow('has a report already');
  await rm(folder, { recursive: true });
});

import { CloudTrailClient, LookupEventsCommand } from '@aws-sdk/client-cloudtrail';
import { mockClient } from 'aws-sdk-client-mock';
import type { RingReport } from '../../../src/cli/status/ring-report.ts';
import type { KeyFacts, RowFacts } from '../../../src/cli/evidence/evidence.ts';
import { historyOfSecret, merged } from '../../../src/cli/evidence/history.ts';
import { keyFacts, missingNumbers } from '../../../src/cli/evidence/keys.ts';
import { page } from '../../../src/cli/evidence/page/page.ts';
import { accessFacts } from '../../../src/cli/evidence/sources/access.ts';
import { readTrail } from '../../../src/cli/evidence/sources/cloudtrail.ts';
import { settingFacts } from '../../../src/cli/evidence/sources/settings.ts';
import { UnseenList } from '../../../src/cli/evidence/unseen.ts';
import { token } from '../../local/support/state-machine.ts';
import { sampleEvidence } from '../support/sample-evidence.ts';

/* States in which a report said that all is well, or left out what a person would want to know. */

const IN_TIME = { daysOverdue: 0 };
const fine = sampleEvidence({ unseen: [] }, IN_TIME);
const overdue = (change: Parameters<typeof sampleEvidence>[0]): readonly string[] =>
  sampleEvidence({ unseen: [], ...change }, IN_TIME).verdict.overdue.map(({ code }) => code);
const COUNTED = fine.rows;
if (!COUNTED.isCounted) throw new Error('the sample has rows');
const [COLUMN] = COUNTED.columns;
if (COLUMN === undefined) throw new Error('the sample has a column');
const rowsOf = (change: Partial<typeof COLUMN>): RowFacts => ({ ...COUNTED, columns: [{ ...COLUMN, ...change }] });

test('of the sample nothing is overdue', () => {
  expect(fine.verdict.overdue).toEqual([]);
});

describe('it is wrong that', () => {
  test('the last rotation failed, until a key is made current', () => {
    const failed = { at: '2027-02-09T00:00:00.000Z', event: 'rotation-failed', source: 'function-log' } as const;
    expect(overdue({ history: [...fine.history, failed] })).toEqual(['rotation-failed']);
    const later = { at: '2027-02-09T01:00:00.000Z', event: 'made-current', source: 'function-log' } as const;
    expect(overdue({ history: [...fine.history, failed, later] })).toEqual([]);
  });

  test('a copy in another region failed', () => {
    const secret = { ...fine.secret, replicas: [{ region: 'eu-north-1', status: 'Failed' }] };
    expect(overdue({ secret })).toEqual(['replica-failed']);
    expect(page({ ...fine, secret }, '')).toContain('eu-north-1');
  });

  test('the policy lets everyone read', () => {
    const statement = { Effect: 'Allow', Principal: '*', Action: 'secretsmanager:*', Resource: '*' };
    const policyOf = (one: object) => ({ principals: [], policy: JSON.stringify({ Statement: [one] }) });
    expect(overdue({ access: policyOf(statement) })).toEqual(['open-to-all', 'changes-open-to-all']);
    expect(overdue({ access: policyOf({ ...statement, Effect: 'Deny' }) })).toEqual([]);
  });
});

test('the dates of keys that were copied are said to be those of the copies', () => {
  const copy = { versionId: token(99), state: 'copy', current: [], kmsKeyIds: [] } as const;
  const noticed = (keys: readonly KeyFacts[]) => sampleEvidence({ keys }).verdict.notices.map(({ code }) => code);
  expect(noticed([...fine.keys, copy])).toContain('copied-keys');
  expect(noticed(fine.keys)).not.toContain('copied-keys');
});

describe('rows', () => {
  test('of the current key are those that were counted, never what is left of the others', () => {
    const cells = page({ ...fine, rows: rowsOf({ rows: 9, nulls: 0, numbered: { 7: 4, 6: 3 }, unreadable: 1 }) }, '');
    const counts = [...cells.matchAll(/<td class="number">([^<]*)<\/td>/g)].map(([, count]) => count);
    expect(counts).toEqual(['9', '4', '3', '0', '1']);
  });

  test('without data are not said to open', () => {
    const { sentence } = sampleEvidence({ rows: rowsOf({ rows: 9, nulls: 8, empty: 1, numbered: {} }) }).verdict;
    expect(sentence).toContain('no row with data was found');
  });

  test('with an older ciphertext inside their data are told', () => {
    const rows = rowsOf({ rows: 5, nulls: 0, numbered: { 7: 5 }, nested: { 7: 1, 3: 2 } });
    expect(sampleEvidence({ rows }).verdict.notices).toContainEqual(
      expect.objectContaining({
        code: 'rows-with-older-keys-inside',
        text: expect.stringContaining('2 rows') as string,
      }),
    );
  });

  test('of the second number of a key need no retired key', () => {
    const keys = fine.keys.map((key): KeyFacts => (key.number === 7 ? { ...key, otherNumbers: [8] } : key));
    expect(overdue({ keys, rows: rowsOf({ rows: 5, nulls: 0, numbered: { 8: 5 } }) })).toEqual([]);
    expect(overdue({ rows: rowsOf({ rows: 5, nulls: 0, numbered: { 8: 5 } }) })).toEqual(['rows-of-retired-key']);
    expect(page({ ...fine, keys }, '')).toContain('<b>Key 7</b><br />also 8');
  });
});

test('a backup is complete with each number on the ring', () => {
  const seen = { ...fine, isPolicySeen: true, areAlarmsSeen: true };
  const metOf = (numbers: readonly number[]) =>
    settingFacts({ ...seen, secret: { ...fine.secret, backup: { date: fine.madeAt, numbers } } }).find(
      ({ code }) => code === 'backup',
    )?.isMet;
  expect([metOf([3, 4, 5, 6, 7]), metOf([7])]).toEqual(['yes', 'no']);
});

describe('keys', () => {
  const version = { labels: ['key-v4', 'key-v2', 'AWSCURRENT'], kmsKeyIds: [], state: 'current' } as const;
  const created = '2026-11-30T00:00:00.000Z';
  const report = (retired: RingReport['retired'], number = 2): RingReport => ({
    ...fine.secret,
    versions: [{ ...version, versionId: token(2), number, created }],
    retired,
  });

  test('of which neither a version nor a record is left are missing', () => {
    const keys = keyFacts(report([]), [], undefined);
    expect(keys).toMatchObject([{ number: 2, otherNumbers: [4] }]);
    expect(missingNumbers(keys, new Set())).toEqual(['1', '3']);
    expect(missingNumbers(keys, new Set([1]))).toEqual(['3']);
    expect(missingNumbers(keyFacts(report([], 999_999_999), [], undefined), new Set())).toContain('5 to 999999998');
  });

  test('whose retirement was interrupted before its label went were not retired', () => {
    const at = '2026-12-01T00:00:00.000Z';
    const record = { number: 2, versionId: token(2), date: at, isLeft: true };
    const tags = [{ Key: 'pazpaz:retired:key-v2', Value: `${token(2)} ${at} forced` }];
    const trail = [{ at, event: 'key-retired', source: 'cloudtrail', number: 2 } as const];
    const eventsIn = (state: RingReport) =>
      merged(historyOfSecret(state, tags), trail, state).map(({ event, source }) => `${event} ${source}`);
    const begun = report([record]);
    expect(eventsIn(begun)).toEqual(['key-made versions']);
    const versions = begun.versions.map((one) => ({ ...one, labels: ['key-v4', 'AWSCURRENT'] }));
    expect(eventsIn({ ...begun, versions })).toEqual(['key-made versions', 'key-retired cloudtrail']);
  });

  test('that encrypt have a beginning, also without a record of a move', () => {
    const [key] = keyFacts(report([]), [], '2026-11-01T00:00:00.000Z');
    expect(key?.current).toEqual([{ from: created, isEstimated: true }]);
  });

  test('have no date that a tag made up', () => {
    for (const date of ['', 'soon', '2026 (the password is swordfish)']) {
      const keys = keyFacts(report([{ number: 1, versionId: token(1), date, isLeft: false }]), [], undefined);
      expect(keys[0]).toEqual({ number: 1, versionId: token(1), state: 'deleted', current: [], kmsKeyIds: [] });
      const tags = [
        { Key: 'pazpaz:retired:key-v1', Value: `${token(1)} ${date}` },
        { Key: `pazpaz:rescued:${token(1)}`, Value: date },
      ];
      expect(historyOfSecret(report([]), tags).filter(({ source }) => source === 'tags')).toEqual([]);
      expect(page({ ...fine, keys }, '')).not.toContain('NaN');
    }
  });
});

test('events of CloudTrail that were cut off are not said to be all there', async () => {
  const trail = mockClient(CloudTrailClient);
  const now = new Date('2026-11-30T00:00:00.000Z');
  const oldest = new Date('2026-11-20T00:00:00.000Z');
  trail.on(LookupEventsCommand).resolves({ Events: [] });
  trail
    .on(LookupEventsCommand, { LookupAttributes: [{ AttributeKey: 'EventName', AttributeValue: 'PutSecretValue' }] })
    .resolves({ Events: [{ EventTime: now }, { EventTime: oldest }], NextToken: 'more' });
  const client = new CloudTrailClient({ region: 'us-east-1' });
  const { since, cutOff } = await readTrail({
    lookUp: (input) => client.send(new LookupEventsCommand(input)),
    about: { name: 'n', arn: 'a', kmsKeyIds: [], numberOf: new Map() },
    now,
    sleep: () => Promise.resolve(),
  });
  trail.restore();
  expect([since, cutOff]).toEqual([oldest.toISOString(), ['PutSecretValue']]);
});

test('a right that depends on a value that IAM did not get is not known, and patterns are not silent', async () => {
  const unseen = new UnseenList(() => undefined);
  const pattern = 'arn:aws:iam::111122223333:role/Op*';
  const named = { Effect: 'Allow', Principal: { AWS: [pattern, '111122223333'] }, Action: 'none:None' };
  const [facts] = await accessFacts(
    {
      secretArn: 'arn:secret',
      isPolicySeen: true,
      policy: JSON.stringify({ Statement: [named, { Effect: 'Deny', Principal: '*', Action: 'none:None' }] }),
      principals: ['arn:aws:iam::111122223333:role/One'],
      simulate: () =>
        Promise.resolve({
          $metadata: {},
          EvaluationResults: [
            {
              EvalActionName: 'secretsmanager:GetSecretValue',
              EvalDecision: 'implicitDeny',
              MissingContextValues: ['aws:MultiFactorAuthPresent'],
            },
          ],
        }),
    },
    unseen,
  );
  expect(facts?.unknown).toContain('secretsmanager:GetSecretValue');
  expect(unseen.all.map(({ what }) => what)).toEqual(
    ['111122223333', pattern].map((name) => `what ${name} may do with the secret`),
  );
});

test('text of AWS with line breaks is shown with spaces, and a long name is broken', () => {
  const policy = '{\n  "Version": "2012-10-17"\r\n}';
  const html = page({ ...fine, access: { principals: [], policy } }, '');
  expect(html).toContain('{   &quot;Version&quot;: &quot;2012-10-17&quot; }');
  expect(html).toMatch(/body \{[^}]*overflow-wrap: anywhere/);
});

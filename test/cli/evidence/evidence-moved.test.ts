import { CloudTrailClient, LookupEventsCommand } from '@aws-sdk/client-cloudtrail';
import { KMSClient, ListGrantsCommand } from '@aws-sdk/client-kms';
import { UpdateSecretCommand } from '@aws-sdk/client-secrets-manager';
import { mockClient } from 'aws-sdk-client-mock';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Ajv from 'ajv';
import type { Evidence, HistoryEntry } from '../../../src/cli/evidence/evidence.ts';
import { keyFacts } from '../../../src/cli/evidence/keys.ts';
import { EVIDENCE_SCHEMA } from '../../../src/cli/evidence/schema.ts';
import { moveKeys } from '../../../src/cli/move/move-keys.ts';
import { runRestore } from '../../../src/cli/commands/restore.ts';
import { runRetire } from '../../../src/cli/commands/retire.ts';
import { KeyRotationError } from '../../../src/format/error.ts';
import { readRingReport, unfinishedRetirements } from '../../../src/cli/status/ring-report.ts';
import { stopServices } from '../../local/support/running-service.ts';
import { DAY } from '../../local/support/state-machine.ts';
import { current, previous, ringWith, SECRET, type TestRing } from '../../support/ring.ts';
import { counting, giveCredentials, numbers, operatorOf, pazpazKeys } from '../support/operator.ts';

/* What a report says of keys that are on younger versions now, of grants, and of the time before CloudTrail's history. */

const NEW = 'arn:aws:kms:us-east-1:123456789012:key/new';
const trail = mockClient(CloudTrailClient);
const kms = mockClient(KMSClient);

let folder: string;
beforeAll(async () => {
  giveCredentials();
  folder = await mkdtemp(join(tmpdir(), 'moved-'));
});
beforeEach(() => {
  trail.reset();
  kms.reset();
  kms.onAnyCommand().resolves({});
});
afterEach(stopServices);
afterAll(async () => {
  trail.restore();
  kms.restore();
  await rm(folder, { recursive: true });
});

async function report(ring: TestRing): Promise<{ readonly evidence: Evidence; readonly page: string }> {
  const out = await mkdtemp(join(folder, 'one-'));
  const environment = { AWS_ENDPOINT_URL: 'http://127.0.0.1:1' };
  const { stderr } = await pazpazKeys(ring, ['evidence', '--no-rows', '--out', out], { environment });
  const text = await readFile(join(out, 'evidence.json'), 'utf8').catch(() => {
    throw new Error(stderr);
  });
  const ajv = new Ajv();
  const evidence = JSON.parse(text) as Evidence;
  void ajv.validate(EVIDENCE_SCHEMA, evidence);
  expect(ajv.errors).toBeNull();
  return { evidence, page: await readFile(join(out, 'evidence.html'), 'utf8') };
}

const dayOf = (date: string | undefined): string => date?.slice(0, 10) ?? '';

/** Who is killed at the first call of this kind. */
function killedAt(ring: TestRing, operation: 'untagResource' | 'updateSecretVersionStage') {
  return operatorOf(ring, (secrets) => ({
    ...secrets,
    [operation]: () => Promise.reject(new KeyRotationError('CANNOT_REACH_AWS', 'killed')),
  })).deps;
}

async function retirements(ring: TestRing) {
  const { evidence } = await report(ring);
  return evidence.history.filter(({ event }) => event === 'key-retired').map(({ number }) => number);
}

test('a retirement that was interrupted is none, also where move has given the number to another version', async () => {
  const ring = await ringWith(1, 2, previous(3), current(4));
  const retiring = runRetire(killedAt(ring, 'updateSecretVersionStage'), counting(), {
    numbers: numbers(2),
    force: true,
  });
  await expect(retiring).rejects.toThrow('killed');
  expect([...unfinishedRetirements(await readRingReport(operatorOf(ring).deps))]).toEqual([2]);
  await moveKeys(operatorOf(ring).deps, NEW);
  expect(ring.labels[2]).not.toContain('key-v2');
  expect([...unfinishedRetirements(await readRingReport(operatorOf(ring).deps))]).toEqual([2]);
  expect(await retirements(ring)).toEqual([]);
});

test('the retirement before a restore that was interrupted is one', async () => {
  const ring = await ringWith(1, previous(2), current(3));
  await runRetire(operatorOf(ring).deps, counting(), { numbers: numbers(1), force: true });
  await expect(runRestore(killedAt(ring, 'untagResource'), ...numbers(1))).rejects.toThrow('killed');
  expect(ring.labels[1]).toBe('key-v1');
  expect(await retirements(ring)).toEqual([1]);
});

test('a key that move has copied has the day on which it was made, and the day of its copy', async () => {
  const ring = await ringWith(1, previous(2), current(3));
  const before = await readRingReport(operatorOf(ring).deps);
  const made = dayOf(before.versions.find(({ number }) => number === 1)?.created);
  await ring.service.advance(100 * DAY);
  await moveKeys(operatorOf(ring).deps, NEW);
  trail.on(LookupEventsCommand).resolves({ Events: [] });
  const { evidence, page } = await report(ring);
  const key = evidence.keys.find(({ number }) => number === 1);
  expect(key).toMatchObject({ made });
  expect(dayOf(key?.created)).not.toBe(made);
  expect(dayOf(key?.current[0]?.from)).toBe(made);
  expect(page.replace(/\s+/g, ' ')).toContain(`${made}<br />copied ${dayOf(key?.created)}`);

  await ring.service.advance(30 * DAY);
  await moveKeys(operatorOf(ring).deps, `${NEW.slice(0, -1)}9`);
  const { evidence: later } = await report(ring);
  const copies = later.history.filter(({ event }) => event === 'key-copied').map(({ number }) => number);
  const firsts = later.history.filter(({ event }) => event === 'key-made').map(({ at }) => dayOf(at));
  expect(copies).toEqual([1]);
  expect(firsts).toEqual(firsts.map(() => made));
  expect(firsts).toHaveLength(before.versions.length);
});

test('CloudTrail tells where a number was before, so the records of that version are those of the key', async () => {
  const ring = await ringWith(previous(1), current(2));
  const report = await readRingReport(operatorOf(ring).deps);
  const by = { source: 'cloudtrail' as const };
  const history: readonly HistoryEntry[] = [
    { ...by, at: '2026-01-01T00:00:00.000Z', event: 'key-made', versionId: 'former' },
    { ...by, at: '2026-01-01T00:01:00.000Z', event: 'made-current', versionId: 'former' },
    { ...by, at: '2026-02-01T00:00:00.000Z', event: 'made-current', versionId: ring.idOf(2) },
    {
      ...by,
      ...{ at: '2026-03-01T00:00:00.000Z', event: 'number-given', number: 1 },
      ...{ versionId: ring.idOf(1), formerVersionId: 'former' },
    },
  ];
  const keys = keyFacts(report, history, '2026-01-01T00:00:00.000Z');
  expect(keys.find(({ number }) => number === 1)).toMatchObject({
    made: '2026-01-01',
    current: [{ from: '2026-01-01T00:01:00.000Z', to: '2026-02-01T00:00:00.000Z', isEstimated: false }],
  });
});

describe('grants of the KMS key', () => {
  async function ownKmsKey(): Promise<TestRing> {
    const ring = await ringWith(previous(1), current(2));
    await ring.client.send(new UpdateSecretCommand({ SecretId: SECRET, KmsKeyId: NEW }));
    await ring.service.idle();
    trail.on(LookupEventsCommand).resolves({ Events: [] });
    return ring;
  }

  test('are in the report, page by page, with who may decrypt', async () => {
    const ring = await ownKmsKey();
    kms.on(ListGrantsCommand).callsFake(({ Marker }: { Marker?: string }) =>
      Marker === undefined
        ? {
            Grants: [{ GrantId: 'g1', GranteePrincipal: 'arn:role/reader', Operations: ['Decrypt'] }],
            NextMarker: 'two',
          }
        : { Grants: [{ GrantId: 'g2', GranteePrincipal: 'rds.amazonaws.com', Operations: ['CreateGrant'] }] },
    );
    const { evidence, page } = await report(ring);
    expect(evidence.kmsKeys[0]?.grants?.map(({ grantee, operations }) => [grantee, operations])).toEqual([
      ['arn:role/reader', ['Decrypt']],
      ['rds.amazonaws.com', ['CreateGrant']],
    ]);
    expect(page).toContain('arn:role/reader');
  });

  test('that may not be listed are among what could not be seen', async () => {
    const ring = await ownKmsKey();
    kms.on(ListGrantsCommand).rejects(Object.assign(new Error('no'), { name: 'AccessDeniedException' }));
    const { evidence, page } = await report(ring);
    expect(evidence.unseen).toContainEqual({
      what: `the grants of the KMS key ${NEW}`,
      needs: 'kms:ListGrants',
      why: 'AccessDeniedException',
    });
    expect(page).toContain('The grants were not seen.');
  });
});

test('what CloudTrail no longer has is among what could not be seen, with what to do', async () => {
  const ring = await ringWith(previous(1), current(2));
  trail.on(LookupEventsCommand).resolves({ Events: [] });
  const about = ({ evidence }: { readonly evidence: Evidence }) =>
    evidence.unseen.filter(({ what }) => what.startsWith('who changed the secret before'));
  expect(about(await report(ring))).toEqual([]);
  await ring.service.advance(91 * DAY);
  expect(about(await report(ring))).toMatchObject([{ needs: expect.stringContaining('CloudTrail Lake') as string }]);
});

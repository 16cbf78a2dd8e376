import type { RingReport } from '../../../src/cli/status/ring-report.ts';
import { verdictOn, type Facts } from '../../../src/cli/evidence/verdict.ts';
import { inOrder } from '../../../src/cli/evidence/history.ts';
import type { Evidence, KeyFacts } from '../../../src/cli/evidence/evidence.ts';
import { ACTIONS } from '../../../src/cli/evidence/sources/access.ts';
import { ALARMS } from '../../../src/cli/evidence/sources/alarms.ts';
import { token } from '../../local/support/state-machine.ts';

const YEARS = [2020, 2021, 2022, 2023, 2024, 2025, 2026];

/** Six rotations a year apart, two keys retired, and the rotation of this year missed. */
export function sampleEvidence(change: Partial<Facts> = {}, rotation: Partial<RingReport['rotation']> = {}): Evidence {
  const madeAt = '2027-02-10T09:30:00.000Z';
  const date = (index: number): string => `${YEARS[index] ?? 2027}-02-01T03:00:00.000Z`;
  const last = YEARS.length - 1;
  const keys = YEARS.map((_, index): KeyFacts => {
    const isRetired = index < 2;
    const state =
      index === last
        ? 'current'
        : index === last - 1
          ? 'previous'
          : index === 0
            ? 'deleted'
            : isRetired
              ? 'retired'
              : 'reads';
    const to = index === last ? {} : { to: date(index + 1) };
    return {
      number: index + 1,
      versionId: token(index + 1),
      state,
      ...(index === 0 ? {} : { created: date(index) }),
      current: [{ from: date(index), ...to, isEstimated: index < 5 }],
      ...(isRetired ? { retired: '2025-06-11T08:00:00.000Z' } : {}),
      lastUsed: '2027-02-10T00:00:00.000Z',
      kmsKeyIds: ['arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab'],
    };
  });
  const facts: Facts = {
    format: 'pazpaz-evidence/1',
    madeAt,
    madeWith: 'pazpaz-key-rotation 0.1.0',
    previous: { madeAt: '2026-02-10T09:30:00.000Z', sha256: 'a'.repeat(64) },
    secret: {
      name: 'pazpaz/encryption-key-v1',
      arn: 'arn:aws:secretsmanager:eu-west-1:111122223333:secret:pazpaz/encryption-key-v1-AbCdEf',
      kmsKeyId: 'arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab',
      currentNumber: 7,
      slots: { free: 12, of: 17 },
      rotation: {
        isEnabled: true,
        functionArn: 'arn:aws:lambda:eu-west-1:111122223333:function:PazPazKeyRotation',
        schedule: 'every 365 days',
        last: date(last),
        next: '2027-02-01T23:59:59.000Z',
        daysSinceLast: 374,
        daysOverdue: 9,
        pending: 'none',
        ...rotation,
      },
      replicas: [{ region: 'eu-central-1', status: 'InSync' }],
      backup: { date: '2026-02-02T08:00:00.000Z', numbers: [2, 3, 4, 5, 6, 7] },
    },
    keys,
    history: inOrder(
      YEARS.flatMap((_, index) => [
        {
          at: date(index),
          event: 'key-made',
          source: 'versions',
          number: index + 1,
          versionId: token(index + 1),
        } as const,
        ...(index > 1
          ? []
          : [{ at: '2025-06-11T08:00:00.000Z', event: 'key-retired', source: 'tags', number: index + 1 } as const]),
        ...(index < 5
          ? []
          : [
              {
                at: date(index),
                event: 'made-current',
                source: 'cloudtrail',
                number: index + 1,
                by: 'arn:aws:sts::111122223333:assumed-role/PazPazKeyRotation/PazPazKeyRotation',
              } as const,
            ]),
      ]),
    ),
    rows: {
      isCounted: true,
      columns: [
        {
          relation: 'clinic.patients',
          owner: 'clinic_owner',
          column: 'notes',
          rows: 1_204_331,
          nulls: 231,
          empty: 0,
          numbered: { 5: 12_400, 6: 204_100, 7: 987_600 },
          unnumbered: {},
          legacy: {},
          nested: {},
          unreadable: 0,
          unsearched: 0,
          unseen: [],
        },
        {
          relation: 'clinic.messages',
          owner: 'clinic_owner',
          column: 'body',
          rows: 88_000,
          nulls: 0,
          empty: 0,
          numbered: { 7: 88_000 },
          unnumbered: {},
          legacy: {},
          nested: {},
          unreadable: 0,
          unsearched: 0,
          unseen: [],
        },
      ],
      unlisted: [],
      skipped: [],
    },
    recordsFrom: '2026-11-12T09:30:00.000Z',
    kmsKeys: [
      {
        keyId: 'arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab',
        state: 'Enabled',
        manager: 'CUSTOMER',
        isRotated: true,
        rotationDays: 365,
        rotations: [{ at: '2026-01-15T00:00:00.000Z', type: 'AUTOMATIC' }],
      },
    ],
    access: {
      policy: '{"Version":"2012-10-17","Statement":[{"Sid":"NeverDeleteForGood","Effect":"Deny"}]}',
      principals: [
        {
          arn: 'arn:aws:iam::111122223333:role/PazPazOperators',
          may: [...ACTIONS],
          unknown: [],
        },
        { arn: 'arn:aws:iam::111122223333:role/PazPazECSTaskRole', may: [ACTIONS[0]], unknown: [ACTIONS[8]] },
      ],
    },
    alarms: ALARMS.map((name, index) => ({
      name: `PazPaz${name}`,
      exists: index !== 3,
      notifies: index !== 3,
      ...(index === 3 ? {} : { state: 'OK', since: '2026-03-01T00:00:00.000Z' }),
    })),
    settings: [
      {
        code: 'rotation-days',
        title: 'Time between rotations',
        found: 'every 365 days',
        recommended: 'at most 365 days',
        isMet: 'yes',
      },
      {
        code: 'alarms',
        title: 'Alarms that exist and notify someone',
        found: 'not PazPazKeyRotationErrors',
        recommended: 'all',
        isMet: 'no',
      },
      {
        code: 'log-retention',
        title: "How long the function's log is kept",
        found: 'not seen',
        recommended: 'at least 365 days',
        isMet: 'unknown',
      },
    ],
    unseen: [
      { what: 'who changed the secret', needs: 'cloudtrail:LookupEvents', why: 'AccessDeniedException' },
      { what: 'the alarms and their state', needs: 'cloudwatch:DescribeAlarms', why: 'AccessDeniedException' },
    ],
    ...change,
  };
  return { ...facts, verdict: verdictOn(facts, ringReport(facts)) };
}

function ringReport({ secret, keys }: Facts): RingReport {
  return {
    ...secret,
    versions: keys.flatMap(({ state, number, versionId, kmsKeyIds }) =>
      state === 'deleted' || state === 'retired'
        ? []
        : [{ versionId, ...(number === undefined ? {} : { number }), labels: [], kmsKeyIds, state }],
    ),
    retired: [],
  };
}

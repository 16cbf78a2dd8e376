import { COUNTED_ROWS, LISTED_MEMBER, ROW_CLASSES, UNREAD_KEYS } from '../json/row-schemas.ts';
import { COUNT, DATE, described, listOf, object, oneOf, TEXT, YES_OR_NO, type Schema } from '../json/shapes.ts';
import { VERSION_STATES } from '../status/ring-report.ts';
import { EVENTS, FORMAT } from './evidence.ts';

const REMARK = object({ code: described('Never changes its meaning', TEXT), text: TEXT });
const SHA_256: Schema = { type: 'string', pattern: '^[0-9a-f]{64}$' };

export const VERDICT = object({
  sentence: TEXT,
  overdue: described('What should have been done by now, or is wrong', listOf(REMARK)),
  notices: described('What asks for nothing yet', listOf(REMARK)),
});

const SECRET = object(
  {
    name: TEXT,
    arn: TEXT,
    currentNumber: described('0: no current key, or one without a number', COUNT),
    slots: described('Labels, each of which numbers one key', object({ free: COUNT, of: COUNT })),
    rotation: object(
      {
        isEnabled: YES_OR_NO,
        daysSinceLast: COUNT,
        daysOverdue: COUNT,
        pending: oneOf('none', 'placeholder', 'value', 'unknown'),
      },
      { primaryRegion: TEXT, functionArn: TEXT, schedule: TEXT, last: DATE, next: DATE, daysOfOldKey: COUNT },
    ),
    replicas: listOf(object({ region: TEXT, status: TEXT })),
  },
  { kmsKeyId: TEXT, backup: object({ date: DATE, numbers: listOf(COUNT) }) },
);

const KEY = object(
  {
    versionId: TEXT,
    state: oneOf(...VERSION_STATES, 'deleted'),
    current: described(
      'When it was the key that encrypts; isEstimated: from the dates on which keys were made',
      listOf(object({ from: DATE, isEstimated: YES_OR_NO }, { to: DATE })),
    ),
    kmsKeyIds: listOf(TEXT),
  },
  {
    ...{ number: COUNT, otherNumbers: listOf(COUNT), created: DATE, retired: DATE, lastUsed: DATE },
    isNoKey: { const: true },
    made: described('The day on which the key was made, if its version is a younger copy', TEXT),
  },
);

const ENTRY = object(
  {
    at: DATE,
    event: oneOf(...Object.keys(EVENTS)),
    source: oneOf('versions', 'tags', 'cloudtrail', 'function-log', 'kms'),
  },
  { number: COUNT, versionId: TEXT, formerVersionId: TEXT, by: TEXT, detail: TEXT },
);

const COLUMN = object({ ...COUNTED_ROWS, ...ROW_CLASSES }, LISTED_MEMBER);

const DATABASE = object(
  {
    ...{ host: TEXT, port: COUNT, database: TEXT, user: TEXT, serverVersion: TEXT },
    countedFrom: DATE,
    countedTo: DATE,
  },
  { systemIdentifier: TEXT },
);

const ROWS: Schema = {
  oneOf: [
    object({ isCounted: { const: false }, isAsked: described('false: with --no-rows', YES_OR_NO), why: TEXT }),
    object(
      {
        isCounted: { const: true },
        columns: listOf(COLUMN),
        unlisted: described('Columns that look encrypted and were not counted', listOf(TEXT)),
        skipped: listOf(object({ table: TEXT, reason: TEXT })),
      },
      {
        database: described('The database that was counted; its clock before and after the count', DATABASE),
        ...UNREAD_KEYS,
      },
    ),
  ],
};

const KMS_KEY = object(
  { keyId: TEXT, rotations: listOf(object({ at: DATE, type: TEXT })) },
  {
    ...{ state: TEXT, manager: TEXT, isRotated: YES_OR_NO, rotationDays: COUNT, nextRotation: DATE },
    grants: described(
      'Who may use the key by a grant',
      listOf(object({ grantId: TEXT, grantee: TEXT, operations: listOf(TEXT) }, { created: DATE, name: TEXT })),
    ),
  },
);

const ACCESS = object(
  {
    principals: listOf(
      object(
        {
          arn: TEXT,
          may: described('Calls that its policies and that of the secret allow', listOf(TEXT)),
          unknown: described('Calls that depend on a condition that was not evaluated', listOf(TEXT)),
        },
        { conditions: described('What these depend on', listOf(object({ action: TEXT, text: TEXT }))) },
      ),
    ),
  },
  { policy: described('The policy of the secret, in JSON', TEXT) },
);

const ALARM = object({ name: TEXT, exists: YES_OR_NO, notifies: YES_OR_NO }, { state: TEXT, since: DATE });

const SETTING = object({
  code: described('Never changes its meaning', TEXT),
  title: TEXT,
  found: TEXT,
  recommended: TEXT,
  isMet: oneOf('yes', 'no', 'unknown'),
});

/** The shape of `evidence.json`. */
const EVIDENCE: Schema = object(
  {
    format: { const: FORMAT },
    madeAt: DATE,
    madeWith: TEXT,
    verdict: VERDICT,
    secret: SECRET,
    keys: listOf(KEY),
    history: listOf(ENTRY),
    rows: ROWS,
    kmsKeys: listOf(KMS_KEY),
    access: ACCESS,
    alarms: listOf(ALARM),
    settings: listOf(SETTING),
    unseen: described('What could not be read', listOf(object({ what: TEXT, needs: TEXT, why: TEXT }))),
  },
  {
    previous: described(
      'The report before this one',
      object(
        { madeAt: DATE, sha256: SHA_256 },
        {
          checksums: described('The SHA-256 of its file evidence.sha256', SHA_256),
          signature: described('How it was checked', TEXT),
        },
      ),
    ),
    signedWith: described('The KMS key that signs this report', TEXT),
    recordsFrom: described('From here on, history has each change that CloudTrail recorded', DATE),
  },
);

/** The schema of the file, as it is published. */
export const EVIDENCE_SCHEMA: Schema = {
  $schema: 'http://json-schema.org/draft-07/schema#',
  title: 'evidence.json of pazpaz-keys evidence',
  ...EVIDENCE,
};

import { CENSUS, REENCRYPT } from './row-schemas.ts';
import { COUNT, DATE, listOf, object, oneOf, TEXT, YES_OR_NO, type Schema } from './shapes.ts';

/*
 * The shape of what each command prints with `--json`, as JSON Schema (draft 7): one object a run. Members are added,
 * never renamed or removed; `additionalProperties` is closed only so that the tests notice one that is not documented.
 */

const CHANGE = {
  oneOf: [
    object({ change: { const: 'label-attached' }, label: TEXT, to: TEXT }),
    object({ change: { const: 'label-moved' }, label: TEXT, from: TEXT, to: TEXT }),
    object({ change: { const: 'label-detached' }, label: TEXT, from: TEXT }),
    object({ change: { const: 'value-stored' }, versionId: TEXT, labels: listOf(TEXT) }),
    object({ change: { const: 'tag-set' }, key: TEXT, value: TEXT }),
    object({ change: { const: 'tag-removed' }, key: TEXT }),
    object({ change: { const: 'rotation-started' }, versionId: TEXT }),
  ],
};
const RETIRED = { number: COUNT, versionId: TEXT, date: DATE };
const NEXT = listOf(TEXT);

const VERSION = object(
  {
    versionId: TEXT,
    labels: listOf(TEXT),
    kmsKeyIds: listOf(TEXT),
    state: oneOf(
      ...['current', 'previous', 'reads', 'pending', 'placeholder', 'arriving'],
      ...['retired', 'abandoned', 'foreign label only', 'no label'],
    ),
  },
  { number: COUNT, created: DATE, lastUsed: DATE, retiredNumber: COUNT, isRescued: { const: true } },
);

const ROTATION = object(
  {
    isEnabled: YES_OR_NO,
    daysSinceLast: COUNT,
    daysOverdue: COUNT,
    pending: oneOf('none', 'placeholder', 'value', 'unknown'),
  },
  { functionArn: TEXT, schedule: TEXT, last: DATE, next: DATE },
);

const CHECK = object({
  code: TEXT,
  title: TEXT,
  outcome: oneOf('fine', 'found', 'not checked'),
  how: TEXT,
  findings: listOf(object({ text: TEXT, next: NEXT })),
});

/** What stands under `result`, by command. */
const RESULTS: Readonly<Record<string, Schema>> = {
  status: object(
    {
      name: TEXT,
      arn: TEXT,
      currentNumber: COUNT,
      slots: object({ free: COUNT, of: COUNT }),
      rotation: ROTATION,
      versions: listOf(VERSION),
      retired: listOf(object({ ...RETIRED, isLeft: YES_OR_NO })),
      notes: listOf(object({ code: TEXT, weight: oneOf('notice', 'warning'), text: TEXT, next: NEXT })),
    },
    { kmsKeyId: TEXT },
  ),
  doctor: object({ secretId: TEXT, checks: listOf(CHECK), found: COUNT, notChecked: COUNT }),
  rotate: object(
    {},
    { versionId: TEXT, outcome: oneOf('started', 'taken up'), wasSwitchedOff: YES_OR_NO, keyNumber: COUNT },
  ),
  rollback: object({
    outcome: oneOf('rolled back', 'is rolled back already'),
    currentNumber: COUNT,
    leftNumber: COUNT,
  }),
  put: object({ versionId: TEXT, number: COUNT, isCurrent: YES_OR_NO, wasThere: YES_OR_NO }),
  adopt: object({}, { rescued: object({ versionId: TEXT, number: COUNT }) }),
  retire: object({ retired: listOf(object(RETIRED)), alreadyRetired: listOf(COUNT) }),
  restore: object({ versionId: TEXT, numbers: listOf(COUNT), wasThere: YES_OR_NO }),
  census: CENSUS,
  reencrypt: REENCRYPT,
  encrypt: object({ ciphertext: TEXT, keyNumber: COUNT }),
  decrypt: object({ plaintext: TEXT }),
};

/** Commands whose result is described here. */
export const DESCRIBED_COMMANDS = Object.keys(RESULTS);

/** The schema of a command's whole answer: a result or an error, and what was changed on the way. */
export function jsonSchema(command: string): Schema | undefined {
  const result = RESULTS[command];
  if (result === undefined) return undefined;
  const around = { command: { const: command }, changes: listOf(CHANGE), warnings: listOf(TEXT) };
  const dryRun = { dryRun: { const: true } };
  return {
    $schema: 'http://json-schema.org/draft-07/schema#',
    title: `pazpaz-keys ${command} --json`,
    oneOf: [
      object({ ...around, result }, dryRun),
      object({ ...around, error: object({ code: TEXT, message: TEXT }) }, dryRun),
    ],
  };
}

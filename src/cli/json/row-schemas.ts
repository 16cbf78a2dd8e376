import { COUNT, described, listOf, object, TEXT, YES_OR_NO, type Schema } from './shapes.ts';

/** Rows by key number. */
const rowsByNumber = (description: string): Schema =>
  described(description, {
    type: 'object',
    patternProperties: { '^(0|[1-9][0-9]*)$': COUNT },
    additionalProperties: false,
  });

const LEFT_ROWS = listOf(
  object({
    key: described('Values of the key columns', listOf(TEXT)),
    code: described(
      'Why: an error code, CONTEXT_COLUMN_IS_NULL, ROW_BUSY, VALUE_TOO_LARGE, VALUE_TOO_COMPLEX, LEGACY_ROW, OTHER_MEMBERS, WRITTEN_MEANWHILE or ' +
        'DATABASE: and a SQLSTATE, the name of a constraint, or NOT_UPDATED',
      TEXT,
    ),
  }),
);

/** Absent where the list names no member. */
export const LISTED_MEMBER = { member: described('Of jsonb objects: the member that was listed', TEXT) };

export const OPEN_WRITERS = described(
  'Transactions that had written to the table and stayed open: their rows were not seen',
  TEXT,
);

export const COUNTED_ROWS = {
  relation: described('The table that was counted, with its schema', TEXT),
  owner: described('The role that owns it', TEXT),
  column: TEXT,
  rows: described('Rows of the snapshot: the sum of all classes', COUNT),
};

/** What a census before a retirement did not count. */
export const NOT_COUNTED = {
  unlisted: described('Columns that were not counted though they look encrypted', listOf(TEXT)),
  skipped: described(
    'Tables that could not be looked at for such columns, accepted with --skipped-is-fine',
    listOf(object({ table: TEXT, reason: TEXT })),
  ),
};

/** Their sum is all rows. */
export const ROW_CLASSES = {
  nulls: COUNT,
  empty: described('Values with zero bytes', COUNT),
  numbered: rowsByNumber('Rows under a number that its key opened'),
  unnumbered: rowsByNumber('Rows under number 0, by the key that opened them; 0: that key has no number'),
  legacy: rowsByNumber('Rows from before this system, by the key that opened them'),
  nested: rowsByNumber('Of these, rows with a ciphertext inside their plaintext, by the key that opens it'),
  unreadable: described('Rows that no key opened', COUNT),
  unsearched: described('Of the others, rows whose values cannot be looked through for ciphertexts inside them', COUNT),
  unseen: described('Why some rows may not have been seen', listOf(TEXT)),
};

export const FOUND_COLUMN = object(
  {
    table: described('The table with its schema', TEXT),
    tableId: described('The number (OID) of the table in its database', TEXT),
    column: TEXT,
    columnNumber: described('The number of the column in the table', COUNT),
    isGenerated: described('Whether its values follow from other columns of their row', YES_OR_NO),
    sampled: described('Values that were looked at', COUNT),
    opened: described('Those that a key of the ring opens without a context', COUNT),
    alike: described('Those that begin with a number of the ring and are not text', COUNT),
    numbers: described('The keys that open some of them (0: a key without a number)', listOf(COUNT)),
    alikeNumbers: described('The numbers that the values in alike begin with', listOf(COUNT)),
  },
  {
    member: described('Of jsonb objects: the member that holds the ciphertext', TEXT),
    uncountable: described('Why neither census nor reencrypt can read it', TEXT),
  },
);

const COUNTED_COLUMN = object(
  {
    table: TEXT,
    ...COUNTED_ROWS,
    tableId: described('The number (OID) of the table in its database', TEXT),
    columnNumber: described('The number of the column in the table', COUNT),
    ...ROW_CLASSES,
    spelled: described('Columns of the context whose text depends on settings of a session', listOf(TEXT)),
    besides: described('What looks encrypted in its values and is in no member that was counted', listOf(FOUND_COLUMN)),
    listed: described('The first 10,000 of the unreadable and the unsearched rows', LEFT_ROWS),
    triggers: described(
      'What an update would trigger',
      listOf(
        object({ name: TEXT, does: TEXT, firesOnFire: YES_OR_NO, isUnskippable: YES_OR_NO, isForeignKey: YES_OR_NO }),
      ),
    ),
  },
  { ...LISTED_MEMBER, toReencrypt: described('Rows that reencrypt would change; absent without a current key', COUNT) },
);

const ESTIMATED_COLUMN = object(
  {
    table: TEXT,
    relation: described('The table with its schema', TEXT),
    owner: described('The role that owns it', TEXT),
    column: TEXT,
    rows: COUNT,
    nulls: COUNT,
    looksLike: rowsByNumber('Rows whose first bytes look like a number'),
    other: COUNT,
  },
  LISTED_MEMBER,
);

/** Keys that a count could not use; absent where it had all of them. */
export const UNREAD_KEYS = {
  unreadKeys: described(
    'Keys that could not be read, by cause; rows that only they open count as unreadable. Absent: all were read',
    listOf(object({ numbers: listOf(COUNT), why: TEXT }, { isNoKey: { const: true } })),
  ),
};

export const CENSUS_RESULT: Schema = {
  oneOf: [
    object(
      {
        isEstimate: { const: false },
        currentNumber: described('0: no current key', COUNT),
        columns: listOf(COUNTED_COLUMN),
        hasOlderData: described('Whether rows of older data or with number 0 are left, or may be', YES_OR_NO),
      },
      UNREAD_KEYS,
    ),
    object({ isEstimate: { const: true }, columns: listOf(ESTIMATED_COLUMN) }),
  ],
};

const TOTALS = described(
  'By all processes, including earlier runs of the same job',
  object({ readRows: COUNT, reencrypted: COUNT, alreadyCurrent: COUNT, nulls: COUNT, empty: COUNT, left: COUNT }),
);

const REENCRYPTED_COLUMN = object(
  {
    table: TEXT,
    relation: described('The table with its schema', TEXT),
    owner: described('The role that owns it', TEXT),
    column: TEXT,
    keyNumber: described('The number that its rows have now', COUNT),
    isFinished: described('false: the same command continues', YES_OR_NO),
    isResumed: YES_OR_NO,
    ownReencrypted: described('Rows that this process re-encrypted', COUNT),
    totals: TOTALS,
    left: described('The first 10,000 rows that were left untouched', LEFT_ROWS),
    waited: described('How long brakes held this process', listOf(object({ brake: TEXT, seconds: COUNT }))),
  },
  { ...LISTED_MEMBER, openWriters: OPEN_WRITERS },
);

const KEY_USAGE = described(
  'How often this process encrypted with a key, undone batches included',
  object({ keyNumber: COUNT, versionId: TEXT, encryptions: COUNT }),
);

const BRAKE = described('Its name: paused, vacuum, replication-lag, …', TEXT);
const COUNT_OR_OFF: Schema = { oneOf: [COUNT, { type: 'null' }] };

const JOB = object(
  {
    relation: TEXT,
    owner: TEXT,
    column: TEXT,
    keyNumber: COUNT,
    totals: TOTALS,
    isPaused: YES_OR_NO,
    brakes: described(
      'null: that brake is off',
      object({
        maxRowsPerSecond: COUNT_OR_OFF,
        batchMilliseconds: COUNT_OR_OFF,
        maxLagSeconds: COUNT_OR_OFF,
        maxHeldWalMegabytes: COUNT_OR_OFF,
        minFreeDiskMegabytes: COUNT_OR_OFF,
        waitsForVacuum: YES_OR_NO,
        waitsForLocks: YES_OR_NO,
        pauseWhile: { oneOf: [TEXT, { type: 'null' }] },
      }),
    ),
  },
  { ...LISTED_MEMBER, waitsFor: described('Absent where nothing holds it', object({ brake: BRAKE, detail: TEXT })) },
);

/** A dry run counts, as a census does. */
export const REENCRYPT_RESULT: Schema = {
  oneOf: [
    object({ isFinished: YES_OR_NO, columns: listOf(REENCRYPTED_COLUMN), encryptions: listOf(KEY_USAGE) }),
    object({ isFinished: { const: false }, columns: listOf(COUNTED_COLUMN) }),
    described('With --show, --pause, --resume or --set', object({ isFinished: { const: false }, jobs: listOf(JOB) })),
  ],
};

/** The codes with which the key ring and the functions of this library reject or throw. */
export type LibraryErrorCode =
  /** An option or an environment variable is missing, contradicts another one, or has a value that is not valid. */
  | 'INVALID_SETTINGS'
  /** AWS has not confirmed the current key for so long that the ring no longer encrypts with it. */
  | 'KEY_TOO_OLD'
  /** This process has encrypted 2^32 times with the current key, the limit for random nonces. */
  | 'KEY_EXHAUSTED'
  /** The ring was closed before or during the call. */
  | 'RING_CLOSED'
  /** Secrets Manager has no secret with this name or ARN in this region. */
  | 'SECRET_NOT_FOUND'
  /** The secret is scheduled for deletion, so its values cannot be read. */
  | 'SECRET_DELETED'
  /** A given key, or the value of a version, is not a key of 32 bytes in a known form. */
  | 'INVALID_KEY_VALUE'
  /** The secret has no version with the label AWSCURRENT, or that version has no value yet. */
  | 'NO_CURRENT_KEY'
  /** No answer of Secrets Manager came in time, or no credentials were found. */
  | 'CANNOT_REACH_AWS'
  /** Secrets Manager answered with an error: permissions, the KMS key, a quota, or a fault of its own. */
  | 'AWS_REFUSED'
  /** A text or context is not well-formed Unicode, or bytes are not UTF-8 where a text was asked for. */
  | 'INVALID_TEXT'
  /** A number is not a whole number from 1 to 999,999,999. */
  | 'INVALID_KEY_NUMBER'
  /** The ciphertext is not bytes, or is too short. */
  | 'INVALID_CIPHERTEXT'
  /** A given key does not open the row. */
  | 'DECRYPTION_FAILED'
  /** The key of the row is on the ring, and neither it nor another key opens the row in this context. */
  | 'TAMPERED_OR_WRONG_CONTEXT'
  /** The number of the row is no longer on the ring. */
  | 'KEY_RETIRED'
  /** The number of the row is higher than any on the ring. */
  | 'KEY_NEVER_ISSUED'
  /** A column cannot be found, read or updated row by row, or its context cannot be built from what is shown. */
  | 'INVALID_COLUMN'
  /** A key that may open the row cannot be read now. Of the failed decryptions, only this one is worth retrying. */
  | 'KEY_UNAVAILABLE';

/** The codes with which a rotation, or an adoption by the Lambda, ends. */
type RotationErrorCode =
  /** The Lambda was called with an event that is neither from Secrets Manager nor from EventBridge. */
  | 'NOT_A_ROTATION_EVENT'
  /** The event names a step that is not one of the four. */
  | 'UNKNOWN_STEP'
  /** The event has no secret or no token, or one that is not well-formed. */
  | 'INVALID_EVENT'
  /** The Lambda is to adopt a ring, but SECRET_ARN names none. */
  | 'NO_SECRET_CONFIGURED'
  /** Rotation is not set up for the secret. */
  | 'ROTATION_DISABLED'
  /** The token of the event is not a version of the secret. */
  | 'UNKNOWN_TOKEN'
  /** The version of the token has lost AWSPENDING: its rotation was abandoned. */
  | 'NOT_PENDING'
  /** The version of the token was current before, and was left on purpose by a rollback. */
  | 'WAS_CURRENT'
  /** A version has a label, but no value was ever stored in it. */
  | 'VERSION_HAS_NO_VALUE'
  /** The pending version holds a copy of a key that is on the ring. */
  | 'PENDING_NOT_FRESH'
  /** The secret has too few free staging labels for the numbers of its keys. */
  | 'RING_FULL'
  /** A numbered version cannot be read as a key. */
  | 'RING_KEY_UNREADABLE'
  /** A version cannot be read, or the secret from which a key is to be copied. */
  | 'VERSION_UNREADABLE'
  /** The new key did not decrypt what it encrypted, or did not detect a changed ciphertext. */
  | 'ROUND_TRIP_FAILED'
  /** The label of a number was moved or removed while the step ran. */
  | 'NUMBER_LOST'
  /** Another process moved the label that was to be moved. */
  | 'LABEL_CONFLICT';

/** The codes with which a census or a re-encryption ends. */
type RowsErrorCode =
  /** The current key has no number, and rows are never re-encrypted under number 0. */
  | 'CURRENT_KEY_UNNUMBERED'
  /** A column is too narrow for what re-encryption would write. */
  | 'COLUMN_TOO_SHORT'
  /** A table has triggers on update, and the caller has not said whether they may fire. */
  | 'TRIGGERS_UNDECIDED'
  /** An unfinished job over this column was started with other options. */
  | 'JOB_DIFFERS'
  /** No unfinished job is there to be paused or changed. */
  | 'NO_JOB'
  /** The database did not answer, or its connection broke. */
  | 'CANNOT_REACH_DATABASE'
  /** The database answered with an error. */
  | 'DATABASE_REFUSED';

/** The codes with which a command of an operator refuses. */
type CommandErrorCode =
  /** A rotation has not finished, and the command must not interfere with it. */
  | 'ROTATION_UNDER_WAY'
  /** The secret changed between the first look and the confirmation. */
  | 'STATE_CHANGED'
  /** The ring has no earlier key to make current. */
  | 'NOTHING_TO_ROLL_BACK_TO'
  /** There is no rollback to undo. */
  | 'NOTHING_TO_UNDO'
  /** The key to retire is current, previous or pending, or is the highest number. */
  | 'KEY_STILL_NEEDED'
  /** A process may still write with the key to retire. */
  | 'TOO_EARLY_TO_RETIRE'
  /** A replica of the secret is not in sync, so a process in its region may use an older key. */
  | 'REPLICA_BEHIND'
  /** The secret is a replica, and only its primary can be changed. */
  | 'IS_REPLICA'
  /** Rows are encrypted with the key to retire, or may be: rows that no key opens, or that cannot be seen. */
  | 'ROWS_STILL_NEED_KEY'
  /** Nothing proves that no row needs the key to retire. */
  | 'NO_CENSUS'
  /** The secret has too many tags for those that the command has to set. */
  | 'TOO_MANY_TAGS'
  /** AWS has deleted the version of the key to restore, no record of it exists, or its number names another version. */
  | 'NOT_RESTORABLE'
  /** A file is not a backup of a key ring, or cannot be decrypted with the given identities. */
  | 'INVALID_BACKUP'
  /** A file is not a report of `evidence`, or not one of its checksums or signatures. */
  | 'INVALID_EVIDENCE'
  /** The version was retired, and must be restored instead. */
  | 'VERSION_IS_RETIRED'
  /** The secret has no version with this id. */
  | 'UNKNOWN_VERSION'
  /** The operator did not confirm. */
  | 'NOT_CONFIRMED'
  /** AWS accepted a change but does not show it yet. */
  | 'NOT_SEEN_YET'
  /** A rotation was started and did not finish in the time that the command waits. */
  | 'ROTATION_NOT_FINISHED';

/** A code never changes its meaning: alarms and runbooks match on it, never on the message. */
export type ErrorCode = LibraryErrorCode | RotationErrorCode | RowsErrorCode | CommandErrorCode;

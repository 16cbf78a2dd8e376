import { isKeyRotationError, KeyRotationError, withoutFullStop } from '../../format/error.ts';

/** Classes of SQLSTATE (PostgreSQL, appendix A) that pass by themselves, or with a new connection. */
const LOST_CONNECTION = /^(08|57P0|25P0[34])/;
const TOO_MANY_CONNECTIONS = '53300';

/** The server lacks memory, disk or room for locks, which may pass as well. */
const LACKS_RESOURCES = '53';
const TRY_AGAIN = new Set(['40001', '40P01', '55P03']);

/** Classes that say something of the server or the statement, and not of one row, unless a function raised them. */
const NOT_OF_ROW = /^(08|53|57|58)/;
/** A function may reach another server, or a file, and fail. */
const NOT_OF_ROW_IN_FUNCTION = /^(53|57)/;
const OF_STATEMENT = /^(0A|25|26|28|2F|3D|3F|40|42|55|F0)/;

/** The routine of PostgreSQL from which RAISE of PL/pgSQL reports: whatever code it names is about a row. */
const RAISE = 'exec_stmt_raise';

/** A text without a form in UTF-8. Those of a value are read as bytes, those of a key are looked for in statements. */
const NOT_CONVERTED = new Set(['22021', '22P05']);
const WITHOUT_FORM = '. A text of a key or of a name has no form in UTF-8: name another unique index (--key)';

/** The routine from which PostgreSQL ends a statement that it interrupts; what is not waited for at all (NOWAIT) has others. */
const INTERRUPT = 'ProcessInterrupts';

/** Codes of Node and OpenSSL for a handshake that failed. */
const TLS_CODE = /^(ERR_TLS|ERR_SSL|EPROTO|CERT_|CRL_|UNABLE_TO_|SELF_SIGNED|DEPTH_ZERO)/;

interface FailureDetails {
  readonly constraint?: string | undefined;
  readonly isRaised?: boolean;
  readonly isInFunction?: boolean;
  readonly isAtCommit?: boolean;
  readonly isInterrupt?: boolean;
}

/** An error of the database, in our words; `state` is the SQLSTATE, where PostgreSQL itself answered. */
export class DatabaseFailure extends KeyRotationError {
  readonly state: string | undefined;
  readonly constraint: string | undefined;
  /** Whether a function of the database, such as a trigger's, reported it with RAISE. */
  readonly isRaised: boolean;
  readonly isInFunction: boolean;
  /** Whether every statement had succeeded: what a transaction did, as a whole, was refused. */
  readonly isAtCommit: boolean;
  /** Whether the server interrupted the statement, for a limit or as it was asked to. */
  readonly isInterrupt: boolean;

  constructor(
    code: 'CANNOT_REACH_DATABASE' | 'DATABASE_REFUSED',
    message: string,
    state?: string,
    {
      constraint,
      isRaised = false,
      isInFunction = false,
      isAtCommit = false,
      isInterrupt = false,
    }: FailureDetails = {},
  ) {
    super(code, message);
    this.state = state;
    this.constraint = constraint;
    this.isRaised = isRaised;
    this.isInFunction = isInFunction;
    this.isAtCommit = isAtCommit;
    this.isInterrupt = isInterrupt;
  }
}

/** In our words. `detail` is left out and nothing is kept as a cause: both may quote a row. */
export function databaseError(error: unknown): KeyRotationError {
  if (isKeyRotationError(error)) return error;
  const state = stringIn(error, 'code');
  const said = stringIn(error, 'message') ?? 'unknown error';
  const isAnswer = stringIn(error, 'severity') !== undefined;
  const isRaised = stringIn(error, 'routine') === RAISE;
  const isInFunction = stringIn(error, 'where') !== undefined;
  if (state === TOO_MANY_CONNECTIONS && isAnswer && !isRaised) {
    return new DatabaseFailure(
      'CANNOT_REACH_DATABASE',
      `The database takes no further connection (${state}: ${said}). ${MORE_CONNECTIONS}`,
      state,
    );
  }
  const isOfOtherServer = isInFunction && state?.startsWith('08') === true;
  if (!isAnswer || (!isRaised && !isOfOtherServer && state !== undefined && LOST_CONNECTION.test(state))) {
    return new DatabaseFailure(
      'CANNOT_REACH_DATABASE',
      `Cannot reach the database (${[state, said].filter(Boolean).join(': ')}). ${remedy(error)} Nothing was lost: run the same command again.`,
      isAnswer ? state : undefined,
    );
  }
  // A function of the database may quote a row in a hint, PostgreSQL does not.
  const hint = isRaised || isInFunction ? undefined : stringIn(error, 'hint');
  const advice = NOT_CONVERTED.has(state ?? '') ? WITHOUT_FORM : hint === undefined ? '' : `. ${hint}`;
  return new DatabaseFailure(
    'DATABASE_REFUSED',
    `The database ${isShort(state, isRaised) ? 'lacks a resource' : 'refused'} (${state ?? 'no SQLSTATE'}): ${said}${advice}`,
    state,
    {
      constraint: stringIn(error, 'constraint'),
      isRaised,
      isInFunction,
      isInterrupt: stringIn(error, 'routine') === INTERRUPT,
    },
  );
}

/** An error with which the database refused to commit. */
export function atCommit(error: unknown): unknown {
  if (!(error instanceof DatabaseFailure) || error.code !== 'DATABASE_REFUSED') return error;
  const { message, state, constraint, isRaised, isInFunction, isInterrupt } = error;
  return new DatabaseFailure('DATABASE_REFUSED', message, state, {
    ...{ constraint, isRaised, isInFunction, isInterrupt },
    isAtCommit: true,
  });
}

const MORE_CONNECTIONS =
  "Raise the limit (the role's or the database's CONNECTION LIMIT, max_connections): a command may need one connection " +
  'more than --connections says, and two beside them. Nothing was lost: run the same command again.';

function isShort(state: string | undefined, isRaised: boolean): boolean {
  return !isRaised && state?.startsWith(LACKS_RESOURCES) === true;
}

function remedy(error: unknown): string {
  if (hasNoTls(error)) return 'Enable TLS on the server (ssl = on). sslmode=disable sends all in clear text.';
  if (isOfTls(error)) {
    return (
      'The certificate of the server was not accepted: sslrootcert names the file with its certificate authority ' +
      '(sslrootcert=system: the public ones), and sslmode=verify-full wants the name of the host in the certificate.'
    );
  }
  return 'Check --database-url (or DATABASE_URL, PGHOST, PGPORT, PGUSER, PGDATABASE, PGPASSWORD) and that PostgreSQL is up.';
}

/** Whether a server answered that it has no TLS; in the words of `pg`. */
export function hasNoTls(error: unknown): boolean {
  return stringIn(error, 'message') === 'The server does not support SSL connections';
}

export function isOfTls(error: unknown): boolean {
  return TLS_CODE.test(stringIn(error, 'code') ?? '');
}

/** Whether a transaction failed for a reason that passes: a deadlock, a lock that came too late, dropped statements. */
export function isWorthAnotherTry(error: unknown): boolean {
  if (isUnprepared(error)) return true;
  return error instanceof DatabaseFailure && !error.isRaised && TRY_AGAIN.has(error.state ?? '');
}

const UNPREPARED = '26000';

/** Whether a prepared statement of ours is gone: code of the table has dropped those of the session (DEALLOCATE ALL). */
export function isUnprepared(error: unknown): boolean {
  return error instanceof DatabaseFailure && error.state === UNPREPARED && !error.isRaised && !error.isInFunction;
}

/** A text in it has no form in the other encoding. */
export function isNotConverted(error: unknown): boolean {
  return error instanceof DatabaseFailure && NOT_CONVERTED.has(error.state ?? '');
}

export function isLockTimeout(error: unknown): boolean {
  return error instanceof DatabaseFailure && error.state === '55P03';
}

/** Whether a lock was waited for, and did not come in time: `lock_timeout`, and not NOWAIT. */
export function hasWaitedInVain(error: unknown): boolean {
  return isLockTimeout(error) && error instanceof DatabaseFailure && error.isInterrupt;
}

/** Whether a row was changed in a way that a statement cannot follow: the application moved it to another partition. */
export function isOutOfDate(error: unknown): boolean {
  return isWorthAnotherTry(error) && error instanceof DatabaseFailure && error.state === '40001';
}

/** Whether a statement of ours lacked a right, or row security would have hidden rows from it. */
export function isDenied(error: unknown): boolean {
  return error instanceof DatabaseFailure && error.state === '42501' && !error.isRaised && !error.isInFunction;
}

/** A login that was refused: the role is gone, or may not log in, or not with this password. */
const LOGIN_REFUSED = '28';

/** Says what to do where the role of work under way may no longer do what it did; any other error stays as it is. */
export function withWayOn(error: unknown): unknown {
  if (!(error instanceof DatabaseFailure)) return error;
  const { message, state } = error;
  if (!isDenied(error) && state?.startsWith(LOGIN_REFUSED) !== true) return error;
  return new DatabaseFailure(
    'DATABASE_REFUSED',
    `${withoutFullStop(message)}. The role of this job could do this before. Give it back what it lacks (GRANT, ALTER ROLE … ` +
      'LOGIN, its password), and run the same command again: it continues the job. No row was lost.',
    state,
  );
}

/** Classes of SQLSTATE that say something of rights, locks, definitions or the server. */
const NOT_OF_VALUES = /^(08|40|42|53|55|57)/;

/** Whether what was read failed for its values, as where PostgreSQL cannot spell one or a page is damaged. */
export function isOfValues(error: unknown): boolean {
  if (!isKeyRotationError(error)) return true;
  return error instanceof DatabaseFailure && error.state !== undefined && !NOT_OF_VALUES.test(error.state);
}

/** Whether a function, such as a trigger's, lacked a resource before the commit: for one row, or because the server lacks it. */
export function isShortInFunction(error: unknown): error is DatabaseFailure {
  if (!(error instanceof DatabaseFailure) || error.isAtCommit) return false;
  return error.isInFunction && isShort(error.state, error.isRaised);
}

/** Resources, and limits of the server that all share, such as the queue of NOTIFY. */
const SHORT_AT_COMMIT = /^5[34]/;

/** Whether there was no room for what a transaction did: for all of it, or because the server lacks it. */
export function isShortAtCommit(error: unknown): boolean {
  if (!(error instanceof DatabaseFailure) || error.isRaised) return false;
  return error.isAtCommit && SHORT_AT_COMMIT.test(error.state ?? '');
}

/** Class XX, and an error of the disk: of what is stored, such as a damaged page or a value without all of its parts. */
const DAMAGED = /^(XX|58030)/;

/** Whether the server cannot read what it has stored. A parallel worker that meets it says so as a function does. */
export function isDamage(error: unknown): error is DatabaseFailure {
  return error instanceof DatabaseFailure && !error.isRaised && DAMAGED.test(error.state ?? '');
}

/** PostgreSQL has no other limit of this code that only a commit meets, outside of all functions. */
const FULL_QUEUE = '54000';

/** Whether a commit failed because its notifications found no room in the queue of NOTIFY. */
export function isFullQueue(error: unknown): boolean {
  return (
    error instanceof DatabaseFailure && isShortAtCommit(error) && !error.isInFunction && error.state === FULL_QUEUE
  );
}

/** What PostgreSQL says as it ends one session or statement: pg_terminate_backend, pg_cancel_backend, or a timeout. */
const ENDED = new Set(['57P01', '57014', '25P03', '25P04']);

/**
 * The SQLSTATE with which a server that goes on ended the session or the statement, or refused to commit, or of what a
 * function lacked; `undefined` for any other error.
 */
export function endedWith(error: unknown): string | undefined {
  if (!(error instanceof DatabaseFailure) || error.state === undefined) return undefined;
  if (error.isAtCommit) return isWorthAnotherTry(error) ? undefined : error.state;
  if (error.isRaised) return undefined;
  return ENDED.has(error.state) || isShortInFunction(error) ? error.state : undefined;
}

/** Whether the same work may succeed later, with a new connection. */
export function isLostConnection(error: unknown): boolean {
  if (isKeyRotationError(error, 'CANNOT_REACH_DATABASE')) return true;
  if (isShortAtCommit(error) || isUnprepared(error)) return true;
  return error instanceof DatabaseFailure && isShort(error.state, error.isRaised);
}

/** Whether the database refused one row: its new value, or a function that ran for it, whatever the SQLSTATE. */
export function isOfRow(error: unknown): error is DatabaseFailure {
  if (!(error instanceof DatabaseFailure) || error.state === undefined || error.isAtCommit) return false;
  const { state, isRaised, isInFunction } = error;
  if (isRaised) return true;
  if (hasWaitedInVain(error)) return false;
  return isInFunction ? !NOT_OF_ROW_IN_FUNCTION.test(state) : !NOT_OF_ROW.test(state) && !OF_STATEMENT.test(state);
}

export function sqlState(error: unknown): string | undefined {
  return stringIn(error, 'severity') === undefined ? undefined : stringIn(error, 'code');
}

function stringIn(error: unknown, name: string): string | undefined {
  if (typeof error !== 'object' || error === null) return undefined;
  const value: unknown = Reflect.get(error, name);
  return typeof value === 'string' ? value : undefined;
}

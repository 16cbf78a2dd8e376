import { isKeyRotationError, KeyRotationError } from '../format/error.ts';

/** Classes of SQLSTATE (PostgreSQL, appendix A) that pass by themselves, or with a new connection. */
const LOST_CONNECTION = /^(08|57P0|53|25P0[34])/;
const TRY_AGAIN = new Set(['40001', '40P01', '55P03']);

/** The database refused one row's new value: a data exception, a violated constraint, or a trigger that raised an error. */
const REFUSED_VALUE = /^(22|23|P0001)/;

/** An error of the database, in our words; `state` is the SQLSTATE, where PostgreSQL itself answered. */
export class DatabaseFailure extends KeyRotationError {
  readonly state: string | undefined;
  /** Name of the constraint that was violated, where one was. */
  readonly constraint: string | undefined;

  constructor(
    code: 'CANNOT_REACH_DATABASE' | 'DATABASE_REFUSED',
    message: string,
    state?: string,
    constraint?: string,
  ) {
    super(code, message);
    this.state = state;
    this.constraint = constraint;
  }
}

/**
 * `CANNOT_REACH_DATABASE` for a connection that cannot be made or was lost, `DATABASE_REFUSED` for what PostgreSQL
 * answered. `detail` is left out and nothing is kept as a cause: both may quote a row.
 */
export function databaseError(error: unknown): KeyRotationError {
  if (isKeyRotationError(error)) return error;
  const state = stringIn(error, 'code');
  const said = error instanceof Error ? error.message : 'unknown error';
  const isAnswer = stringIn(error, 'severity') !== undefined;
  if (!isAnswer || (state !== undefined && LOST_CONNECTION.test(state))) {
    return new DatabaseFailure(
      'CANNOT_REACH_DATABASE',
      `Cannot reach the database (${[state, said].filter(Boolean).join(': ')}). Check --database-url (or DATABASE_URL, PGHOST, PGPORT, ` +
        'PGUSER, PGDATABASE, PGPASSWORD) and that PostgreSQL is up. Nothing was lost: run the same command again.',
      isAnswer ? state : undefined,
    );
  }
  return new DatabaseFailure(
    'DATABASE_REFUSED',
    `The database refused (${state ?? 'no SQLSTATE'}): ${said}`,
    state,
    stringIn(error, 'constraint'),
  );
}

/** Whether a transaction failed for a reason that passes: a deadlock, a lock that came too late. */
export function isWorthAnotherTry(error: unknown): boolean {
  return error instanceof DatabaseFailure && error.state !== undefined && TRY_AGAIN.has(error.state);
}

export function isLostConnection(error: unknown): boolean {
  return isKeyRotationError(error, 'CANNOT_REACH_DATABASE');
}

/** Whether the database would not take a value: too long, or against a constraint. */
export function isRefusedValue(error: unknown): error is DatabaseFailure {
  return error instanceof DatabaseFailure && error.state !== undefined && REFUSED_VALUE.test(error.state);
}

function stringIn(error: unknown, name: string): string | undefined {
  if (!(error instanceof Error) || !(name in error)) return undefined;
  const value: unknown = Reflect.get(error, name);
  return typeof value === 'string' ? value : undefined;
}

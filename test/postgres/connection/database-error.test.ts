import {
  atCommit,
  databaseError,
  isFullQueue,
  isLostConnection,
  isOfRow,
} from '../../../src/postgres/connection/database-error.ts';

/** Class 53 of PostgreSQL's SQLSTATEs. */
it.each([
  [
    { code: '53200', message: 'out of shared memory', hint: 'You might need to increase "max_locks_per_transaction".' },
    'DATABASE_REFUSED',
    'The database lacks a resource (53200): out of shared memory. You might need to increase "max_locks_per_transaction".',
  ],
  [
    { code: '53100', message: 'could not extend file: No space left on device', hint: 'Check free disk space.' },
    'DATABASE_REFUSED',
    'The database lacks a resource (53100): could not extend file: No space left on device. Check free disk space.',
  ],
  [
    { code: '53300', message: 'sorry, too many clients already' },
    'CANNOT_REACH_DATABASE',
    'The database takes no further connection (53300: sorry, too many clients already). Raise the limit',
  ],
])('what a server lacks is said in its own words, and may pass: %j', (answer, code, message) => {
  const error = databaseError({ ...answer, severity: 'ERROR' });
  expect(error.code).toBe(code);
  expect(error.message).toContain(message);
  expect(isLostConnection(error)).toBe(true);
});

it('a function that cannot reach another server says nothing of this one', () => {
  const where = 'PL/pgSQL function audit() line 1 at PERFORM';
  const error = databaseError({
    code: '08001',
    severity: 'ERROR',
    message: 'could not connect to server "audit"',
    where,
  });
  expect(error.code).toBe('DATABASE_REFUSED');
  expect([isLostConnection(error), isOfRow(error)]).toEqual([false, true]);
});

it.each([
  ['the queue of NOTIFY has no room', { code: '54000' }, true],
  ['the server lacks a resource', { code: '53400' }, false],
  ['a function has met a limit', { code: '54000', where: 'PL/pgSQL function audit() line 1 at PERFORM' }, false],
  ['a function says so', { code: '54000', routine: 'exec_stmt_raise' }, false],
])('notifications are to be freed only where a commit fails for them: %s', (_, answer, isOfQueue) => {
  const error = databaseError({ severity: 'ERROR', message: 'no', ...answer });
  expect([isFullQueue(error), isFullQueue(atCommit(error))]).toEqual([false, isOfQueue]);
});

import { finished } from '../../../src/cli/commands/reencrypt.ts';
import type { ReencryptReport } from '../../../src/postgres/job/reencrypt.ts';

const DONE: ReencryptReport = {
  ...{ table: 'patients', relation: 'public.patients', owner: 'clinic', column: 'notes' },
  ...{ isFinished: true, keyNumber: 2, isResumed: false, ownReencrypted: 3, left: [], waited: [] },
  totals: { readRows: 3, reencrypted: 3, alreadyCurrent: 0, nulls: 0, empty: 0, left: 0 },
};
const WRITER = 'process 4711 (role clinic, open for 70 s)';

it.each([
  ['is clean', {}, 0],
  ['left a row', { totals: { ...DONE.totals, left: 1 } }, 1],
  ['has not seen rows of open transactions', { openWriters: WRITER }, 1],
  ['was stopped', { isFinished: false }, 1],
])('a re-encryption that %s says so by its exit code', (_, differs, exitCode) => {
  expect(finished([{ ...DONE, ...differs }], 1, [], undefined).exitCode).toBe(exitCode);
});

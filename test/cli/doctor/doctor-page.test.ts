import { CHECKS } from '../../../src/cli/doctor/doctor.ts';
import { madeTable } from '../../support/made-table.ts';

test('docs/operate.md has the code and the title of each check of doctor', () => {
  const rows = CHECKS.map(({ code, title }) => [`\`${code}\``, title]);
  const { found, expected } = madeTable('docs/operate.md', 'doctor', ['code', 'finds'], rows);
  expect(found).toBe(expected);
});

import { OPERATOR_ROLE_ARN } from './support/deployments.ts';
import { madeTable } from '../support/made-table.ts';
import { calls, mayCall, principals } from './support/principals.ts';
import { deploy } from './support/stack.ts';

const guarded = deploy({ OperatorRoleArn: OPERATOR_ROLE_ARN });
const unguarded = deploy();

test('the page shows what five principals may do, with and without an operator role', () => {
  const five = principals(guarded);
  const rows = calls(guarded).map(([name, call]) => [
    name,
    ...five.map((principal) => {
      const [now, before] = [mayCall(guarded, principal, call), mayCall(unguarded, principal, call)];
      return now ? 'yes' : before ? 'until set' : '–';
    }),
  ]);
  const { found, expected } = madeTable(
    'docs/deploy-reference.md',
    'who-may-do-what',
    ['call', ...five.map(({ name }) => name)],
    rows,
  );
  expect(found).toBe(expected);
});

test('no one but function and operator gains anything by an operator role, and these two lose nothing', () => {
  for (const principal of principals(guarded)) {
    for (const [name, call] of calls(guarded)) {
      const [now, before] = [mayCall(guarded, principal, call), mayCall(unguarded, principal, call)];
      expect([principal.name, name, now && !before]).toEqual([principal.name, name, false]);
      if (/^(function|operator)$/.test(principal.name))
        expect([principal.name, name, now]).toEqual([principal.name, name, before]);
    }
  }
});

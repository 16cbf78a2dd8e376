import * as sdk from '@aws-sdk/client-secrets-manager';
import { isOperationName } from '../../../src/local/service/perform.ts';

test('every operation that the SDK knows is answered', () => {
  const operations = Object.keys(sdk).flatMap((name) => /^([A-Z]\w*)Command$/.exec(name)?.[1] ?? []);
  expect(operations.length).toBeGreaterThanOrEqual(23);
  expect(operations.filter((name) => !isOperationName(name))).toEqual([]);
});

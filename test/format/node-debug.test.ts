import { refuseNodeDebug } from '../../src/format/node-debug.ts';
import { errorOf } from './support/error-of.ts';

const BEFORE = process.env['NODE_DEBUG'];

afterEach(() => {
  if (BEFORE === undefined) delete process.env['NODE_DEBUG'];
  else process.env['NODE_DEBUG'] = BEFORE;
});

test('a process whose NODE_DEBUG has a value is refused, and is told how to start without', () => {
  process.env['NODE_DEBUG'] = 'http';
  const error = errorOf(refuseNodeDebug);
  expect(error.code).toBe('INVALID_SETTINGS');
  expect(error.message).toMatch(/^The environment variable NODE_DEBUG must not be set/);
  expect(error.message).toContain('env -u NODE_DEBUG');
});

test('a process without NODE_DEBUG, or with an empty one, is not', () => {
  process.env['NODE_DEBUG'] = '';
  expect(refuseNodeDebug).not.toThrow();
  delete process.env['NODE_DEBUG'];
  expect(refuseNodeDebug).not.toThrow();
});

import { resolve } from 'node:path';
import { howStarted } from '../../src/cli/how-started.ts';

const PATH = '/usr/local/bin:/usr/bin';

describe('a suggested command starts the program', () => {
  test('by its name where PATH has it', () => {
    expect(howStarted('/usr/local/bin/pazpaz-keys', '/home/me', PATH)).toBe('pazpaz-keys');
  });

  test('by its file, seen from here, where an alias or a clone knows it', () => {
    expect(howStarted(resolve('bin/pazpaz-keys.mjs'), process.cwd(), PATH)).toBe('node bin/pazpaz-keys.mjs');
    expect(howStarted('/opt/pazpaz/bin/pazpaz-keys.mjs', '/home/me', PATH)).toBe(
      'node /opt/pazpaz/bin/pazpaz-keys.mjs',
    );
    expect(howStarted("/opt/it's here/bin/pazpaz-keys.mjs", '/', PATH)).toBe(
      "node 'opt/it'\\''s here/bin/pazpaz-keys.mjs'",
    );
  });

  test('never by a name that only npx knows, which would ask the public registry for it elsewhere', () => {
    const bin = '/home/me/app/node_modules/.bin';
    expect(howStarted(`${bin}/pazpaz-keys`, '/home/me/app', `${bin}:${PATH}`)).toBe(
      'node node_modules/.bin/pazpaz-keys',
    );
  });
});

import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { APPLICATION_EVENTS } from '../../src/keyring/application-log.ts';
import { LOG_EVENTS } from '../../src/secret/log-events.ts';

const PAGE = readFileSync('SECURITY.md', 'utf8');
const ROWS = PAGE.split('\n').filter((line) => line.startsWith('|'));

test('each threat has what it gives, what limits it, and how it is noticed', () => {
  const cells = ROWS.slice(2).map((row) => row.split('|').slice(1, -1));
  expect(cells.length).toBeGreaterThanOrEqual(9);
  expect(cells.filter((row) => row.length !== 4 || row.some((cell) => cell.trim() === ''))).toEqual([]);
});

test('the threats are those of the list', () => {
  const names = ['stolen database', 'stolen backup', 'stolen log', 'stolen task role', 'stolen operator role'];
  const others = ['malicious database role', 'malicious administrator', 'cloned machine'];
  for (const name of [...names, ...others]) expect(ROWS.filter((row) => row.includes(`**a ${name}`))).toHaveLength(1);
});

test.each(['SECURITY.md', 'docs/fips.md'])('every link of %s leads somewhere', (path) => {
  const text = readFileSync(path, 'utf8');
  for (const [, link = ''] of text.matchAll(/\]\(([^)#]+)[^)]*\)/g)) {
    expect([link, existsSync(join(dirname(path), link))]).toEqual([link, true]);
  }
});

test('alarms, log events and codes on the page are those of the product', () => {
  const template = readFileSync('template.yaml', 'utf8');
  const codes = readFileSync('src/format/error-code.ts', 'utf8');
  const events = [...Object.keys(APPLICATION_EVENTS), ...Object.keys(LOG_EVENTS)];
  const named = [...PAGE.matchAll(/`([A-Za-z_]+)`/g)].map(([, name = '']) => name);
  const alarms = named.filter((name) => name.startsWith('PazPaz')).map((name) => name.replace('PazPaz', ''));
  expect(alarms.length).toBeGreaterThan(1);
  for (const name of alarms) expect(template).toContain(`'\${NamePrefix}${name}'`);
  const upper = named.filter((name) => /^[A-Z]+(_[A-Z]+)+$/.test(name) && name !== 'NODE_DEBUG');
  for (const name of upper) expect(codes).toContain(`'${name}'`);
  const lower = named.filter((name) => /^[a-z]+(_[a-z]+)+$/.test(name) && name !== 'search_path');
  expect(lower.filter((name) => !events.includes(name))).toEqual([]);
});

test('README leads to it', () => {
  expect(readFileSync('README.md', 'utf8')).toContain('](SECURITY.md)');
});

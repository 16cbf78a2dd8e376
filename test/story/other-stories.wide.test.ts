import { readFile } from 'node:fs/promises';
import { builtPrograms } from '../support/built.ts';
import { runStory } from './support/built-story.ts';

const story = async (...args: string[]) => runStory(await builtPrograms(), {}, ...args);

describe('npm start', () => {
  test('ends with 1 and says which record is lost when the version of a key is gone', async () => {
    const { code, output, errors } = await story('--years', '2', '--lose-key', '2');
    expect(code).toBe(1);
    expect(output).toContain('3 of 4 readable');
    expect(output).not.toMatch(/^ *2 .*key-v2 /m);
    expect(errors).toMatch(/^1 of 4 ciphertexts cannot be read any more\. Record 2 is lost \([^\n]+\)\.\n$/);
  });

  test('with --maintain never fills the ring, and begins and ends as docs/ten-years.md shows it', async () => {
    const { code, output, errors } = await story('--every', '90d', '--years', '1', '--maintain');
    expect({ code, errors }).toEqual({ code: 0, errors: '' });
    expect(output).toMatch(/^5 rotations \(20 runs of the Lambda\), 5 runs of maintain\.$/m);
    expect(output).toMatch(/^4 keys retired, never fewer than 14 free labels\./m);
    expect(output).toContain('115 of 115 rows readable.');
    const page = await readFile('docs/ten-years.md', 'utf8');
    const inDocs = /^```text\n(pazpaz\/encryption-key-v1 through 40 years[^]*?)^```$/m.exec(page)?.[1] ?? '';
    expect(shapeOf(inDocs)).toBe(shapeOf(output));
  });

  test('without PostgreSQL has the rows in memory, and says so', async () => {
    const nowhere = { EMBEDDED_POSTGRES: '/nowhere' };
    const folder = await builtPrograms();
    const { code, output } = await runStory(folder, { environment: nowhere }, '--years', '1', '--maintain');
    expect(code).toBe(0);
    expect(output).toContain('a table in memory');
    expect(output).toMatch(/^1 key retired/m);
    const inJson = await runStory(folder, { environment: nowhere }, '--years', '1', '--maintain', '--json');
    expect(JSON.parse(inJson.output)).toMatchObject({
      ok: true,
      table: 'memory',
      rotations: 2,
      retired: 1,
      fewestFreeLabels: 14,
      rows: 106,
      readable: 106,
      versions: [{ number: 2 }, { number: 3, labels: ['AWSCURRENT', 'key-v3'] }],
    });
  });
});

/** The words of a screen with --maintain: without its rows, numbers and ids. */
function shapeOf(screen: string): string {
  const lines = screen.split('\n').filter((line) => !/^\d{4}-\d\d-\d\d {2}key|^ *\d+ {2}[0-9a-f]{8}/.test(line));
  return lines
    .join('\n')
    .replace(/[\d.,:-]*\d/g, 'n')
    .replace(/\byears?\b/g, 'years')
    .replace(/ {2,}/g, '  ');
}

import { cp, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { GUIDE } from '../../src/story/years.ts';
import { emptyFolder } from '../bundle/support/built-lambda.ts';
import { builtPrograms } from '../support/built.ts';
import { runStory, steady } from './support/built-story.ts';

const story = async (...args: string[]) => runStory(await builtPrograms(), {}, ...args);

/** The whole screen, as docs/ten-years.md shows it. */
async function screenInDocs(): Promise<string> {
  const page = await readFile('docs/ten-years.md', 'utf8');
  return /^```text\n(pazpaz\/encryption-key-v1 through [^]*?)^```$/m.exec(page)?.[1] ?? '';
}

/** The screen's last lines, as the README shows them. */
async function endInReadme(): Promise<string> {
  const readme = await readFile('README.md', 'utf8');
  return /^```text\n(\d+ rotations [^]*?)^```$/m.exec(readme)?.[1] ?? '';
}

describe('npm start', () => {
  test('loses nothing in ten years, and shows the screen of docs/ten-years.md and the README', async () => {
    const { code, output, errors } = await story();
    expect({ code, errors }).toEqual({ code: 0, errors: '' });
    expect(output).toContain('77 decryptions: 12 of 12 ciphertexts readable.');
    // No terminal: plain lines, with nothing in them that moves a cursor or sets a colour.
    // eslint-disable-next-line no-control-regex
    expect(output).not.toMatch(/[\u0000-\u0009\u000B-\u001F]/);
    expect(steady(await screenInDocs())).toBe(steady(output));
    const end = steady(await endInReadme());
    expect(end.split('\n')).toHaveLength(8);
    expect(steady(output).slice(-end.length)).toBe(end);
  });

  // Sixty-four runs of the Lambda are long: `npm run explore`.
  (process.env['EXPLORE'] === 'deep' ? test : test.skip)('can last as long as a ring has room', async () => {
    const { code, output } = await story('--years', '15', '--json');
    expect(code).toBe(0);
    expect(JSON.parse(output)).toMatchObject({
      ok: true,
      rotations: 16,
      lambdaRuns: 64,
      ciphertexts: 17,
      readable: 17,
    });
  });

  test('prints its result as one JSON object, and the log of the Lambda beside it, both without a key', async () => {
    const { code, output, errors } = await story('--years', '1', '--json', '--verbose');
    expect(code).toBe(0);
    expect(JSON.parse(output)).toMatchObject({
      ok: true,
      secretId: 'pazpaz/encryption-key-v1',
      years: 1,
      rotations: 2,
      lambdaRuns: 8,
      decryptions: 5,
      unreadable: [],
      versions: [
        { number: 1, labels: ['key-v1'], encrypted: ['Patient has diabetes'] },
        { number: 2, labels: ['AWSPREVIOUS', 'key-v2'], encrypted: ['Blood pressure 128/82'] },
        { number: 3, labels: ['AWSCURRENT', 'key-v3'], encrypted: ['Allergic to penicillin'] },
      ],
      contrast: {
        currentOnly: 1,
        currentAndPrevious: 2,
        usualLambda: { keysMade: 3, keysLeft: 2, ciphertexts: 3, readable: 2 },
      },
    });
    const events = errors.trim().split('\n').map(eventOf);
    expect(events.filter((event) => event === 'key_promoted')).toHaveLength(2);
    expect(output + errors).not.toContain(GUIDE.exampleKey);
  });

  test('ends with 1 and names the step when a rotation fails', async () => {
    const broken = await emptyFolder();
    try {
      await cp(await builtPrograms(), broken.path, { recursive: true });
      await writeFile(
        join(broken.path, 'lambda/handler.js'),
        "exports.handler = async ({ Step }) => { if (Step === 'testSecret') throw new Error('nothing works'); };",
      );
      const { code, errors } = await runStory(broken.path, {});
      expect(code).toBe(1);
      expect(errors).toMatch(/^The rotation of \S+ did not succeed \(testSecret: nothing works\)\.[^\n]*\n$/);
    } finally {
      await broken.remove();
    }
  });

  test.each([
    [['--years', '16'], '17 keys'],
    [['--every', '90d', '--years', '4'], 'at most 15 periods after the first rotation, not 16'],
    [['--every', '90'], '1d to 1000d'],
    [['--every', '400d', '--years', '1'], 'never due'],
    [['--maintain', '--lose-key', '1'], 'cannot be used with --maintain'],
    [['--maintain', '--every', '1d', '--years', '2'], 'at most 400'],
  ])('refuses %j', async (args, why) => {
    expect(await story(...args)).toMatchObject({ code: 2, errors: expect.stringContaining(why) as unknown });
  });

  test('asked for help gives it and ends with 0', async () => {
    expect(await story('--help')).toMatchObject({ code: 0, errors: '' });
  });
});

function eventOf(line: string): unknown {
  return (JSON.parse(line) as { event?: unknown }).event;
}

import { PassThrough } from 'node:stream';
import { text } from 'node:stream/consumers';
import { askAt } from '../../../src/cli/terminal/ask.ts';

/** Asks at a terminal where this is typed; without anything the terminal goes away. */
async function typed(keys?: string): Promise<{ readonly answer: Promise<string>; readonly shown: Promise<string> }> {
  const [input, output] = [new PassThrough(), new PassThrough()];
  const answer = askAt({ input, output }, 'Go on? [y/N] ');
  const settled = answer.then(
    () => undefined,
    () => undefined,
  );
  if (keys === undefined) input.end();
  else input.write(keys);
  await settled;
  output.end();
  return { answer, shown: text(output) };
}

test('a question is shown, and the line that is typed is its answer', async () => {
  const { answer, shown } = await typed('yes\r');
  expect(await answer).toBe('yes');
  expect(await shown).toContain('Go on? [y/N]');
});

test.each([
  ['Ctrl-C', '\u0003'],
  ['Ctrl-C after a y', 'y\u0003'],
  ['Ctrl-D', '\u0004'],
  ['a terminal that goes away', undefined],
])('%s is a no, and says that nothing was changed', async (_, keys) => {
  const { answer } = await typed(keys);
  await expect(answer).rejects.toMatchObject({ code: 'NOT_CONFIRMED' });
  await expect(answer).rejects.toThrow('Nothing was changed');
});

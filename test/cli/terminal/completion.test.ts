import { spawnSync } from 'node:child_process';
import { stopServices } from '../../local/support/running-service.ts';
import { current, ringWith } from '../../support/ring.ts';
import { pazpazKeys } from '../support/operator.ts';

afterEach(stopServices);

async function script(shell: string): Promise<string> {
  const { exitCode, stdout } = await pazpazKeys(await ringWith(current(1)), ['completion', shell]);
  expect(exitCode).toBe(0);
  return stdout;
}

/** What bash offers for the last of these words. */
async function offered(...words: readonly string[]): Promise<readonly string[]> {
  const program = `${await script('bash')}
COMP_WORDS=(${words.map((word) => `'${word}'`).join(' ')}); COMP_CWORD=${words.length - 1}
_pazpaz_keys; printf '%s\\n' "\${COMPREPLY[@]}"`;
  const { stdout } = spawnSync('bash', ['--norc', '-c', program], { encoding: 'utf8' });
  return stdout.trim().split('\n');
}

describe('completion', () => {
  test('offers the commands, then the options of the one that was chosen', async () => {
    expect(await offered('pazpaz-keys', 're')).toEqual(expect.arrayContaining(['retire', 'restore']));
    expect(await offered('pazpaz-keys', 'retire', '--fo')).toEqual(['--force']);
  });

  test('completes a command that is spelled out already, and the words that an argument or an option takes', async () => {
    expect(await offered('pazpaz-keys', 'retire')).toEqual(['retire']);
    expect(await offered('pazpaz-keys', 'schema', 'cen')).toEqual(['census']);
    expect(await offered('pazpaz-keys', 'completion', 'f')).toEqual(['fish']);
    expect(await offered('pazpaz-keys', 'reencrypt', '--triggers', 'sk')).toEqual(['skip']);
  });

  test.each(['zsh', 'fish'])('has the commands and options for %s', async (shell) => {
    const text = await script(shell);
    for (const word of ['retire', 'force', 'rollback', 'undo', 'doctor', 'skip fire']) expect(text).toContain(word);
  });

  test('knows no other shell', async () => {
    expect(await pazpazKeys(await ringWith(current(1)), ['completion', 'tcsh'])).toMatchObject({ exitCode: 2 });
  });
});

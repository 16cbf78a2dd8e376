import { CancelRotateSecretCommand, CreateSecretCommand } from '@aws-sdk/client-secrets-manager';
import { readFileSync } from 'node:fs';
import { giveCredentials, pazpazKeys } from '../cli/support/operator.ts';
import { stopServices } from '../local/support/running-service.ts';
import { current, holding, keyOf, previous, ringWith, SECRET, type TestRing } from '../support/ring.ts';

beforeAll(giveCredentials);
afterEach(stopServices);

const PAGE = ['deploy.md', 'deploy-reference.md', 'deploy-special-cases.md', 'deploy-setup-guide.md']
  .map((file) => readFileSync(`docs/${file}`, 'utf8'))
  .join('\n');
const ENVIRONMENT_KEY = keyOf(77).toString('base64');

/** The lines of a section's shell blocks that call `pazpaz-keys`, each with what stands for VERSION_ID and so on put in. */
function linesOf(heading: string, replaced: Readonly<Record<string, string>> = {}): readonly string[] {
  const section = PAGE.split(/^## /m).find((part) => part.startsWith(`${heading}\n`)) ?? '';
  const blocks = [...section.matchAll(/^ *```bash\n([^]*?)```/gm)].map(([, block]) => block ?? '');
  return blocks
    .flatMap((block) => block.split('\n'))
    .flatMap((line) => /^ *node bin\/pazpaz-keys\.mjs (.*)$/.exec(line)?.[1] ?? [])
    .map((line) => Object.entries(replaced).reduce((text, [from, to]) => text.replace(from, to), line));
}

/** Runs a command line, which has to end with this exit code, and gives what it printed. */
async function succeeds(ring: TestRing, line: string, wanted = 0): Promise<string> {
  const environment = { ENCRYPTION_MASTER_KEY: ENVIRONMENT_KEY };
  const { exitCode, stdout, stderr } = await pazpazKeys(ring, line.split(' '), { environment });
  await ring.service.idle();
  expect({ line, exitCode, said: exitCode === wanted ? '' : stderr + stdout }).toEqual({
    line,
    exitCode: wanted,
    said: '',
  });
  return stdout;
}

async function secretNamed(ring: TestRing, Name: string, place: number): Promise<void> {
  await ring.client.send(new CreateSecretCommand({ Name, SecretString: keyOf(place).toString('base64') }));
}

test('taking over: what has lost its labels is found, and gets a number before anything is deployed', async () => {
  const ring = await ringWith(current());
  await ring.put(keyOf(8).toString('base64'));
  await ring.put(keyOf(9).toString('base64'));
  const [doctor = '', rescue = '', ...rest] = linesOf('A secret that has data already', { VERSION_ID: ring.idOf(1) });
  expect(await succeeds(ring, doctor, 1)).toContain(ring.idOf(1));
  await succeeds(ring, rescue);
  expect(ring.labels).toEqual({ 1: 'key-v3', 2: 'AWSPREVIOUS key-v1', 3: 'AWSCURRENT key-v2' });
  expect(rest).toEqual([]);
});

test('data of other keys: both keys come onto the ring, and the current one stays', async () => {
  const ring = await ringWith(previous(1), current(2));
  await secretNamed(ring, 'pazpaz/encryption-key-v2', 78);
  const lines = linesOf('Data that other keys have written');
  expect(lines).toHaveLength(3);
  for (const line of lines) await succeeds(ring, line);
  expect(ring.labels).toEqual({ 1: 'AWSPREVIOUS key-v1', 2: 'AWSCURRENT key-v2', 3: 'key-v3', 4: 'key-v4' });
  expect([ring.valueOf(3), ring.valueOf(4)]).toEqual([ENVIRONMENT_KEY, keyOf(78).toString('base64')]);
});

test('a current value that is no key: the key before is current again, then a new one, and the bad one goes', async () => {
  const ring = await ringWith(previous(1), holding('my key', current()));
  await ring.enableRotation();
  const lines = linesOf('A current value that is no key');
  expect(lines).toHaveLength(3);
  for (const line of lines) await succeeds(ring, line);
  expect(Object.values(ring.labels).filter((labels) => labels !== '')).toEqual([
    'AWSPREVIOUS key-v1',
    'AWSCURRENT key-v2',
  ]);
});

test('the alarm on rotation that is off: rotating asks, and turns it on again, with the rules that it had', async () => {
  const ring = await ringWith(current(1));
  await ring.enableRotation({ ScheduleExpression: 'cron(0 3 1 2 ? *)' });
  await ring.client.send(new CancelRotateSecretCommand({ SecretId: SECRET }));
  expect(PAGE).toMatch(/^\| `PazPazRotationOff`.*`node bin\/pazpaz-keys\.mjs rotate --wait` asks/m);
  const { exitCode, stderr } = await pazpazKeys(ring, ['rotate', '--wait']);
  expect([exitCode, stderr]).toEqual([1, expect.stringContaining('Switch the cancelled rotation on again')]);
  await succeeds(ring, 'rotate --wait --yes');
  expect(ring.secret.rotation).toMatchObject({ enabled: true, rules: { ScheduleExpression: 'cron(0 3 1 2 ? *)' } });
});

test('every command in running text is one that can be typed', async () => {
  const inline = [...PAGE.replace(/```[^]*?```/g, '').matchAll(/`node bin\/pazpaz-keys\.mjs ([^`]*)`/g)];
  const commands = [...new Set(inline.map(([, command = '']) => command.replace(/\s+/g, ' ')))];
  expect(commands.toSorted()).toEqual([
    'adopt',
    'doctor',
    'move --kms-key-id NEW_KEY_ARN --yes',
    'put --not-current --from-secret NEW_NAME',
    'rotate --wait',
    'status',
  ]);
  const ring = await ringWith(previous(1), current(2));
  await ring.enableRotation();
  await secretNamed(ring, 'NEW_NAME', 78);
  // The doctor finds that the environment's key is not on the ring.
  const arn = 'arn:aws:kms:us-east-1:123456789012:key/new';
  for (const command of commands)
    await succeeds(ring, command.replace('NEW_KEY_ARN', arn), command === 'doctor' ? 1 : 0);
});

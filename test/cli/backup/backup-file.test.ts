import { generateIdentity, identityToRecipient } from 'age-encryption';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { stopServices } from '../../local/support/running-service.ts';
import { HOUR } from '../../local/support/state-machine.ts';
import { current, ringWith } from '../../support/ring.ts';
import { giveCredentials, pazpazKeys } from '../support/operator.ts';

let folder: string;
let recipient: string;
beforeAll(async () => {
  giveCredentials();
  folder = await mkdtemp(join(tmpdir(), 'backup-file-'));
  recipient = await identityToRecipient(await generateIdentity());
});
afterEach(stopServices);
afterAll(() => rm(folder, { recursive: true }));

const backup = (file: string) => ['backup', '--to', file, '--recipient', recipient];

test('a backup lists its file as changed, also where its tag is recent enough', async () => {
  const ring = await ringWith(current(1));
  for (const name of ['first.age', 'second.age']) {
    const file = join(folder, name);
    const { stdout } = await pazpazKeys(ring, backup(file));
    expect(stdout).toContain(`Changed:\n  wrote ${file}\n`);
  }
});

test('doctor counts the age of a backup by the clock of AWS', async () => {
  const ring = await ringWith(current(1));
  await ring.enableRotation();
  await pazpazKeys(ring, backup(join(folder, 'old.age')));
  await ring.service.advance(49 * HOUR);
  const { stdout } = await pazpazKeys(ring, ['doctor'], { clockError: 240 * HOUR });
  expect(stdout).toContain('the tag of the last backup, 2 days ago');
});

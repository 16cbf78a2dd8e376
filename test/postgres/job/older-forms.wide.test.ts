import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { giveCredentials } from '../../cli/support/operator.ts';
import { stopServices } from '../../local/support/running-service.ts';
import { olderDataRound } from '../support/older-round.ts';
import { nonceOf } from '../support/older-rows.ts';
import { startPostgres, type Postgres } from '../support/postgres.ts';

/** As many as there are first bytes; `npm run soak` does it with 100,000 rows of each form. */
const ROWS = 256;

let postgres: Postgres;
let folder: string;
beforeAll(async () => {
  giveCredentials();
  folder = mkdtempSync(join(tmpdir(), 'pazpaz-keys-'));
  postgres = await startPostgres();
});
afterAll(async () => {
  await stopServices();
  rmSync(folder, { recursive: true, force: true });
  await postgres.stop();
});

it('older data of every form and every first byte opens after reencrypt and retire 1', async () => {
  expect(new Set(Array.from({ length: ROWS }, (_, index) => nonceOf(index + 1)[0])).size).toBe(256);
  await olderDataRound(postgres, ROWS, folder);
});

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Evidence } from '../../../src/cli/evidence/evidence.ts';
import { giveCredentials, pazpazKeys, type Ran } from '../../cli/support/operator.ts';
import { stopServices } from '../../local/support/running-service.ts';
import { HOUR } from '../../local/support/state-machine.ts';
import { current, holding, previous, ringWith, type TestRing } from '../../support/ring.ts';
import { fillPatients, patientRow, PATIENTS } from '../support/patients.ts';
import { startPostgres, type Postgres } from '../support/postgres.ts';

let postgres: Postgres;
let folder: string;
let columns: string;
beforeAll(async () => {
  giveCredentials();
  postgres = await startPostgres();
  folder = mkdtempSync(join(tmpdir(), 'pazpaz-census-'));
  columns = join(folder, 'columns.json');
  writeFileSync(columns, JSON.stringify([{ table: 'patients', column: 'notes', context: 'patients:{id}:notes' }]));
});
afterEach(stopServices);
afterAll(async () => {
  rmSync(folder, { recursive: true, force: true });
  await postgres.stop();
});

function keys(ring: TestRing, ...args: readonly string[]): Promise<Ran> {
  return pazpazKeys(ring, args, { environment: { DATABASE_URL: postgres.url } });
}

describe('keys that cannot be read', () => {
  async function deniedRing(): Promise<TestRing> {
    const ring = await ringWith(1, 2, current(3));
    await fillPatients(postgres, [patientRow('a', 1, 1), patientRow('b', 2, 2), patientRow('c', 3, 3)]);
    for (const place of [1, 2]) {
      const denied = { kind: 'error', type: 'AccessDeniedException', message: 'not for you' } as const;
      ring.service.faults.set({ operation: 'GetSecretValue', versionId: ring.idOf(place), ...denied });
    }
    return ring;
  }

  test('are named by a census once, with the reason, and it suggests to look for it', async () => {
    const ring = await deniedRing();
    const { exitCode, stdout } = await keys(ring, 'census', ...PATIENTS);
    expect(exitCode).toBe(1);
    expect(stdout.replaceAll(/\s+/g, ' ')).toMatch(
      /Keys 1, 2 could not be read, so no row opens with them: .*AccessDenied/,
    );
    expect(stdout).toContain('pazpaz-keys doctor');
    expect(stdout).not.toContain('pazpaz-keys reencrypt');
    const { stdout: json } = await keys(ring, 'census', ...PATIENTS, '--json');
    expect(JSON.parse(json)).toMatchObject({ result: { unreadKeys: [{ numbers: [1, 2] }] } });
  });

  test('are named by retire, which tells no one to delete a row', async () => {
    const ring = await ringWith(1, 2, previous(3), current(4));
    await fillPatients(postgres, [patientRow('a', 1, 1), patientRow('b', 4, 2)]);
    const denied = { kind: 'error', type: 'DecryptionFailure', message: 'disabled' } as const;
    ring.service.faults.set({ operation: 'GetSecretValue', versionId: ring.idOf(1), ...denied });
    await ring.service.advance(25 * HOUR);
    const { exitCode, stderr } = await keys(ring, 'retire', '2', '--yes', ...PATIENTS);
    expect(exitCode).toBe(1);
    expect(stderr.replaceAll(/\s+/g, ' ')).toMatch(/ROWS_STILL_NEED_KEY.*Key 1 could not be read, .*DecryptionFailure/);
    expect(stderr).toContain('pazpaz-keys doctor');
    expect(stderr).not.toContain('delete');
  });

  test('are not retired, where only they would show a ciphertext inside a value that needs them', async () => {
    const ring = await ringWith(1, 2, previous(3), current(4));
    const inner = patientRow('inner', 1, 1).toString('base64');
    await fillPatients(postgres, [patientRow(`{"a":"${inner}"}`, 4, 1)]);
    const denied = { kind: 'error', type: 'AccessDeniedException', message: 'not for you' } as const;
    ring.service.faults.set({ operation: 'GetSecretValue', versionId: ring.idOf(1), ...denied });
    await ring.service.advance(25 * HOUR);
    const before = ring.snapshot;
    const census = await keys(ring, 'census', ...PATIENTS);
    expect(census.stdout).not.toContain('No older data');
    const { exitCode, stderr } = await keys(ring, 'retire', '1', '--yes', ...PATIENTS);
    expect(exitCode).toBe(1);
    expect(stderr.replaceAll(/\s+/g, ' ')).toMatch(/NO_CENSUS Key 1 could not be read.*--unread-is-fine/);
    expect(ring.snapshot).toBe(before);
    // Key 2 was read, and that key 1 was not is said.
    const other = await keys(ring, 'retire', '2', '--yes', ...PATIENTS);
    expect(other).toMatchObject({ exitCode: 0, stdout: expect.stringContaining('Key 1 could not be read') as string });
    await ring.service.advance(25 * HOUR);
    expect(await keys(ring, 'retire', '1', '--yes', '--unread-is-fine', ...PATIENTS)).toMatchObject({ exitCode: 0 });
    expect(ring.secret.tags).toContainEqual(
      expect.objectContaining({ Key: 'pazpaz:retired:key-v1', Value: expect.stringContaining(' unread ') as string }),
    );
  });

  test('are told in a report as what could not be seen, and not as rows that are lost', async () => {
    const ring = await deniedRing();
    const out = join(folder, 'report');
    const { exitCode } = await keys(ring, 'evidence', '--columns', columns, '--out', out);
    const { verdict, unseen, rows } = JSON.parse(await readFile(join(out, 'evidence.json'), 'utf8')) as Evidence;
    expect(exitCode).toBe(1);
    expect(rows).toMatchObject({ isCounted: true, unreadKeys: [{ numbers: [1, 2] }] });
    expect(unseen).toContainEqual(expect.objectContaining({ what: 'which rows keys 1, 2 open' }));
    expect(verdict.sentence).toContain('1 of 3 rows with data open with the keys that could be read');
    expect(verdict.overdue).toContainEqual({
      code: 'rows-not-counted',
      text: 'It is unknown which key opens 2 rows: keys 1, 2 could not be read.',
    });
    expect(verdict.overdue.map(({ code }) => code)).not.toContain('rows-unreadable');
  });

  test('need no permission in a report, where a value is not a key', async () => {
    const ring = await ringWith(holding('not a key', 1), current(2));
    await fillPatients(postgres, [patientRow('a', 2, 2)]);
    const out = join(folder, 'no-key');
    await keys(ring, 'evidence', '--columns', columns, '--out', out);
    const { unseen } = JSON.parse(await readFile(join(out, 'evidence.json'), 'utf8')) as Evidence;
    expect(unseen).toContainEqual(
      expect.objectContaining({ what: 'which rows key 1 opens', needs: 'a value that is a key' }),
    );
  });
});

import { TagResourceCommand, UpdateSecretVersionStageCommand } from '@aws-sdk/client-secrets-manager';
import { backupTag } from '../../../src/cli/backup/backup-tag.ts';
import { asDescribed } from '../../cli/support/described.ts';
import { giveCredentials, pazpazKeys, type Ran, type Surroundings } from '../../cli/support/operator.ts';
import { oldBox } from '../../format/support/old-application.ts';
import { stopServices } from '../../local/support/running-service.ts';
import { HOUR } from '../../local/support/state-machine.ts';
import { current, holding, keyOf, previous, ringWith, SECRET, type TestRing } from '../../support/ring.ts';
import { fillPatients, patientRow as row, PATIENTS as COLUMN } from '../support/patients.ts';
import { startPostgres, type Postgres } from '../support/postgres.ts';

let postgres: Postgres;
beforeAll(async () => {
  giveCredentials();
  postgres = await startPostgres();
});
beforeEach(() => postgres.client.query('DROP SCHEMA IF EXISTS pazpaz_keys CASCADE'));
afterEach(stopServices);
afterAll(() => postgres.stop());

const patients = (rows: readonly (Buffer | null)[]) => fillPatients(postgres, rows);

function keys(ring: TestRing, args: readonly string[], around: Surroundings = {}): Promise<Ran> {
  return pazpazKeys(ring, args, { ...around, environment: { DATABASE_URL: postgres.url, ...around.environment } });
}

describe('census', () => {
  it('says when no older data is left, and only then', async () => {
    const ring = await ringWith(1, current(2));
    const older = async (...rows: readonly (Buffer | null)[]) => {
      await patients(rows);
      const { stdout } = await keys(ring, ['census', ...COLUMN, '--json']);
      return (JSON.parse(stdout) as { result: { hasOlderData: boolean } }).result.hasOlderData;
    };
    expect(await older(row('a', 1, 1), row('b', 2, 2), null)).toBe(false);
    expect(await older(row('a', 1, 1), row('b', 0, 2))).toBe(true);
    expect(await older(row('a', 1, 1), oldBox('older', { key: keyOf(1) }))).toBe(true);
    expect(await older(row('a', 1, 1), row('b', 2, 99))).toBe(true);
    expect(await older(null)).toBe(true);
  });

  it('shows numbers that older data looks like by chance in one line of an estimate', async () => {
    const ring = await ringWith(1, current(2));
    const older = Array.from({ length: 100 }, (_, first) => Buffer.concat([Buffer.of(first), Buffer.alloc(40)]));
    await patients([...older, row('a', 1, 101), row('b', 1, 102)]);
    expect((await keys(ring, ['census', ...COLUMN, '--headers'])).stdout).toBe(
      'public.patients.notes (owner postgres): 102 rows, estimated from their first bytes\n' +
        '  looks like key 1              3\n  looks like 99 other numbers  99\n',
    );
  });

  it('suggests no reencrypt where only older data opens, because the context may be wrong', async () => {
    const ring = await ringWith(1, current(2));
    await patients([oldBox('older', { key: keyOf(1) }), row('new', 1, 2)]);
    const { stdout } = await keys(ring, ['census', '--table', 'patients', '--column', 'notes']);
    expect(stdout).toContain('First check the context');
    expect(stdout).not.toContain('pazpaz-keys reencrypt');
    expect((await keys(ring, ['census', ...COLUMN])).stdout).toContain('pazpaz-keys reencrypt');
    const dryRun = await keys(ring, ['reencrypt', '--table', 'patients', '--column', 'notes', '--dry-run']);
    expect(dryRun.stdout).toContain('First check the context');
    expect((await keys(ring, ['reencrypt', ...COLUMN, '--dry-run'])).stdout).not.toContain('First check the context');
  });

  it('advises to check the context where no row opens although its key is on the ring', async () => {
    const ring = await ringWith(1, current(2));
    await patients([row('a', 1, 1), row('b', 2, 2)]);
    const args = ['census', '--table', 'patients', '--column', 'notes', '--context', 'patient:{id}:notes'];
    expect((await keys(ring, args)).stdout).toContain(
      'No row opens, and their keys are on the ring: check the context',
    );
    expect((await keys(ring, ['census', ...COLUMN])).stdout).not.toContain('No row opens');
  });

  it('names columns of a context that the application may spell otherwise, where no row opens', async () => {
    const ring = await ringWith(1, current(2));
    await patients([row('a', 2, 1)]);
    await postgres.client.query("ALTER TABLE patients ADD lasts interval DEFAULT '26 hours'");
    const { stdout } = await keys(ring, [
      'census',
      '--table',
      'patients',
      '--column',
      'notes',
      '--context',
      '{id}{lasts}',
    ]);
    expect(stdout.replaceAll(/\s+/g, ' ')).toMatch(/spell it otherwise than this census: lasts \(interval\)\./);
  });

  it('names status where a key may have lost its labels', async () => {
    const ring = await ringWith(1, previous(2), current(3));
    await ring.client.send(
      new UpdateSecretVersionStageCommand({
        SecretId: SECRET,
        VersionStage: 'key-v1',
        RemoveFromVersionId: ring.idOf(1),
      }),
    );
    await patients([row('lost', 1, 1), row('new', 3, 2)]);
    expect((await keys(ring, ['census', ...COLUMN])).stdout).toMatch(/pazpaz-keys status\n$/);
  });

  it('suggests to restore a retired key that rows may need, while AWS has it', async () => {
    const ring = await ringWith(1, previous(2), current(3));
    await ring.service.advance(25 * HOUR);
    await keys(ring, ['retire', '1', '--force', '--confirm', '1']);
    await patients([row('restored', 1, 1), row('new', 3, 2)]);
    const { stdout } = await keys(ring, ['census', ...COLUMN]);
    expect(stdout).toContain('1: KEY_RETIRED');
    expect(stdout).toContain('They may need key 1, retired and still kept by AWS');
    expect(stdout).toMatch(/pazpaz-keys restore 1\n$/);
    const reencrypted = await keys(ring, ['reencrypt', ...COLUMN]);
    expect(reencrypted.stdout.replaceAll(/\s+/g, ' ')).toContain(
      'They may need key 1, retired and still kept by AWS: restore it, then re-encrypt again.',
    );
    expect(reencrypted.stdout).toMatch(/pazpaz-keys restore 1\n$/);
  });

  it('suggests the backup of the ring where AWS has deleted the retired key', async () => {
    const ring = await ringWith(1, previous(2), current(3));
    ring.service.setBehaviour({ unlabelledVersions: 'deleted-at-once' });
    await keys(ring, ['retire', '1', '--force', '--confirm', '1']);
    await patients([row('restored', 1, 1), row('older', 2, 2)]);
    const { stdout } = await keys(ring, ['census', ...COLUMN]);
    expect(stdout).toMatch(/AWS has deleted it.*\n[^]*\n {2}pazpaz-keys restore-ring FILE --retired\n$/);
    const reencrypted = await keys(ring, ['reencrypt', ...COLUMN]);
    expect(reencrypted.stdout).toMatch(/pazpaz-keys restore-ring FILE --retired\n$/);
  });

  it('reports its work, too, where the versions of the secret may not be listed', async () => {
    const ring = await ringWith(1, previous(2), current(3));
    await ring.service.advance(25 * HOUR);
    await keys(ring, ['retire', '1', '--force', '--confirm', '1']);
    await patients([row('restored', 1, 1), row('new', 2, 2)]);
    const denied = { kind: 'error', type: 'AccessDeniedException', message: 'not for you' } as const;
    ring.service.faults.set({ operation: 'ListSecretVersionIds', ...denied });
    for (const [command, done] of [
      ['reencrypt', '1 row re-encrypted under key 3'],
      ['census', '1: KEY_RETIRED'],
    ] as const) {
      const { stdout } = await keys(ring, [command, ...COLUMN]);
      expect(stdout).toContain(done);
      expect(stdout.replaceAll(/\s+/g, ' ')).toMatch(/Which keys they may need is not known: .*not for you/);
      expect(stdout).toMatch(/pazpaz-keys status\n$/);
    }
  });

  it('speaks of no retirement where a key has lost its label, and AWS has deleted it', async () => {
    const ring = await ringWith(1, previous(2), current(3));
    const Tags = [backupTag({ date: new Date().toISOString(), numbers: [1, 2, 3] })];
    await ring.client.send(new TagResourceCommand({ SecretId: SECRET, Tags }));
    ring.service.setBehaviour({ unlabelledVersions: 'deleted-at-once' });
    await ring.detach('key-v1');
    await patients([row('lost', 1, 1)]);
    const { stdout } = await keys(ring, ['census', ...COLUMN]);
    expect(stdout).toMatch(/AWS has deleted it.*\n[^]*\n {2}pazpaz-keys restore-ring FILE\n$/);
    expect(stdout).not.toContain('retired');
  });

  it('names rollback where the current value is no key', async () => {
    const ring = await ringWith(previous(1), holding('hello', current()));
    await patients([row('a', 1, 1)]);
    const refused = await keys(ring, ['reencrypt', ...COLUMN]);
    expect(refused.stderr).toMatch(/INVALID_KEY_VALUE\n[^]*pazpaz-keys rollback/);
    expect(refused.stderr).not.toContain('adopt');
    const { stdout } = await keys(ring, ['census', ...COLUMN]);
    expect(stdout).toContain('A version in use without a number could not be read');
  });
});

describe('retire', () => {
  it('does not recommend reencrypt for rows that it cannot bring to another key', async () => {
    const ring = await ringWith(1, previous(2), current(3));
    await ring.service.advance(25 * HOUR);
    await patients([row('a', 1, 99), row('b', 3, 2)]);
    const refused = await keys(ring, ['retire', '1', '--yes', ...COLUMN]);
    expect(refused.stderr).toContain('1 row that no key opens');
    expect(refused.stderr).toContain('No command can re-encrypt rows');
    expect(refused.stderr).not.toContain('pazpaz-keys reencrypt');
    await patients([row(JSON.stringify({ card: row('4242', 1, 1).toString('base64') }), 3, 1)]);
    const nested = await keys(ring, ['retire', '1', '--yes', ...COLUMN]);
    expect(nested.stderr).toContain('let it decrypt the inner value');
    expect(nested.stderr).not.toContain('pazpaz-keys reencrypt');
  });

  it('names the tables that were counted: in its question, in JSON and in the record on the secret', async () => {
    const ring = await ringWith(1, 2, previous(3), current(4));
    await ring.service.advance(25 * HOUR);
    await patients([row('a', 4, 1), row('b', 4, 2), null]);
    const asked = await keys(ring, ['retire', '1', ...COLUMN], { answers: ['y'] });
    const line = '  public.patients.notes (owner postgres): 3 rows';
    expect(asked.stderr).toContain(`Counted, and no row needs it:\n${line}\n`);
    expect(asked).toMatchObject({ exitCode: 0 });
    expect(asked.stdout).toContain(line);
    expect(ring.secret.tags[0]?.Value).toMatch(/Z public\.patients\.notes@postgres=3$/);
    await ring.service.advance(25 * HOUR);
    const json = await keys(ring, ['retire', '2', '--yes', '--json', ...COLUMN]);
    expect(asDescribed('retire', json.stdout)).toMatchObject({
      result: { counted: [{ relation: 'public.patients', column: 'notes', owner: 'postgres', rows: 3 }] },
    });
  });

  it('takes columns without a value for no proof, unless it is told that they are', async () => {
    const ring = await ringWith(1, previous(2), current(3));
    await ring.service.advance(25 * HOUR);
    await patients([null, Buffer.alloc(0)]);
    const before = ring.snapshot;
    const refused = await keys(ring, ['retire', '1', '--yes', ...COLUMN]);
    expect(refused).toMatchObject({ exitCode: 1 });
    expect(refused.stderr).toContain('public.patients.notes (owner postgres)');
    expect(ring.snapshot).toBe(before);
    expect(await keys(ring, ['retire', '1', '--yes', '--empty-is-fine', ...COLUMN])).toMatchObject({ exitCode: 0 });
  });

  it('is refused while a plaintext has a ciphertext in it that the key opens', async () => {
    const ring = await ringWith(1, 2, previous(3), current(4));
    await ring.service.advance(25 * HOUR);
    const inner = JSON.stringify({ card: row('4242', 1, 1).toString('base64') });
    await patients([row(inner, 4, 1)]);
    const before = ring.snapshot;
    const refused = await keys(ring, ['retire', '1', '--yes', ...COLUMN]);
    expect(refused).toMatchObject({ exitCode: 1 });
    expect(refused.stderr).toContain('1 row whose plaintext has a ciphertext in it that key 1 opens');
    expect(ring.snapshot).toBe(before);
    expect(await keys(ring, ['retire', '2', '--yes', ...COLUMN])).toMatchObject({ exitCode: 0 });
  });
});

describe('--member', () => {
  it('names the member of jsonb objects that holds the ciphertext: in census, estimate, reencrypt and retire', async () => {
    const ring = await ringWith(1, previous(2), current(3));
    const { client } = postgres;
    await client.query('DROP TABLE IF EXISTS patients');
    await client.query('CREATE TABLE patients (id int PRIMARY KEY, notes jsonb)');
    for (const [id, number] of [1, 1, 3].entries()) {
      const value = { data: 'plain', box: row('a', number, id).toString('base64') };
      await client.query('INSERT INTO patients VALUES ($1, $2)', [id, value]);
    }
    await client.query('INSERT INTO patients VALUES (7, NULL)');
    const column = [...COLUMN, '--member', 'box'];
    expect((await keys(ring, ['census', ...column])).stdout).toMatch(/key 1 +2\n +key 3, current +1\n +NULL +1\n/);
    expect((await keys(ring, ['census', '--headers', ...column])).stdout).toMatch(
      /key 1 +2\n +looks like key 3 +1\n +NULL +1\n/,
    );
    expect(await keys(ring, ['census', ...COLUMN])).toMatchObject({ exitCode: 1 });
    expect(await keys(ring, ['reencrypt', ...column])).toMatchObject({ exitCode: 0 });
    await ring.service.advance(25 * HOUR);
    expect(await keys(ring, ['retire', '1', '--yes', ...column])).toMatchObject({ exitCode: 0 });
    expect(await keys(ring, ['census', ...column, '--columns', 'file'])).toMatchObject({ exitCode: 2 });
  });
});

import { GetSecretValueCommand } from '@aws-sdk/client-secrets-manager';
import { decryptField, encryptField } from '../../../src/format/field.ts';
import { numberingLabel, toKeyNumber } from '../../../src/format/key-number.ts';
import type { KeyMaterial } from '../../../src/format/key-material.ts';
import { readKeyValue } from '../../../src/format/key-value.ts';
import { readVarint } from '../../../src/format/varint.ts';
import { asDescribed } from '../../cli/support/described.ts';
import { giveCredentials, pazpazKeys } from '../../cli/support/operator.ts';
import { stopServices } from '../../local/support/running-service.ts';
import { HOUR } from '../../local/support/state-machine.ts';
import { current, ringWith, SECRET, type TestRing } from '../../support/ring.ts';
import { fillPatients, PATIENTS } from '../support/patients.ts';
import { startPostgres, type Postgres } from '../support/postgres.ts';

/** `YEARS=40` takes some minutes: AWS then keeps a hundred versions, most of them of keys that were retired. */
const YEARS = Number(process.env['YEARS'] ?? 0.5);
const DAYS = 90;
const ROTATIONS = Math.floor((YEARS * 365) / DAYS);

jest.setTimeout(1_800_000);

let postgres: Postgres;
beforeAll(async () => {
  giveCredentials();
  postgres = await startPostgres();
});
afterEach(stopServices);
afterAll(() => postgres.stop());

async function keyOf(ring: TestRing, number: number): Promise<KeyMaterial> {
  const VersionStage = numberingLabel(toKeyNumber(number));
  return readKeyValue(await ring.client.send(new GetSecretValueCommand({ SecretId: SECRET, VersionStage }))).key;
}

const contextOf = (id: number) => `patients:${id}:notes`;
const textOf = (id: number) => `Note of patient ${id}`;

/** A process writes the next row with the key that it has. */
async function write(ring: TestRing, id: number, number: number): Promise<void> {
  const sealed = encryptField(textOf(id), await keyOf(ring, number), contextOf(id), { number: toKeyNumber(number) });
  await postgres.client.query('INSERT INTO patients VALUES ($1, $2)', [id, sealed]);
}

interface Maintained {
  readonly freeSlots: number;
  readonly currentNumber: number;
  readonly retired: readonly { readonly number: number }[];
}

/** What the daily job does. Its exit code says that no person is needed. */
async function maintain(ring: TestRing): Promise<Maintained> {
  const environment = { DATABASE_URL: postgres.url };
  const args = ['maintain', '--retire', 'do', '--json', ...PATIENTS];
  const { exitCode, stdout } = await pazpazKeys(ring, args, { environment });
  expect({ exitCode, said: exitCode === 0 ? '' : stdout }).toEqual({
    exitCode: 0,
    said: '',
  });
  return (asDescribed('maintain', stdout) as { readonly result: Maintained }).result;
}

it(`in ${YEARS} years at ${DAYS} days the ring never fills, and every row stays readable`, async () => {
  const ring = await ringWith(current(1));
  await ring.enableRotation({ AutomaticallyAfterDays: DAYS });
  await fillPatients(postgres, []);
  const retired: number[] = [];
  let fewest = Infinity;
  let id = 0;
  for (let rotation = 1; rotation <= ROTATIONS; rotation += 1) {
    await ring.service.advanceToNextRotation(SECRET);
    await write(ring, (id += 1), rotation + 1);
    await write(ring, (id += 1), rotation);
    const first = await maintain(ring);
    expect(first.currentNumber).toBe(rotation + 1);
    // A process that has not seen the rotation yet.
    await write(ring, (id += 1), rotation);
    await ring.service.advance(25 * HOUR);
    const done = await maintain(ring);
    retired.push(...done.retired.map(({ number }) => number));
    fewest = Math.min(fewest, first.freeSlots, done.freeSlots);
  }
  expect(retired).toEqual(Array.from({ length: ROTATIONS - 1 }, (_, index) => index + 1));
  expect(fewest).toBe(14);

  const { rows } = await postgres.client.query<{ id: number; notes: Buffer }>('SELECT id, notes FROM patients');
  const keys = new Map<number, KeyMaterial>();
  for (const { id: row, notes } of rows) {
    const number = readVarint(notes) ?? 0;
    const key = keys.get(number) ?? (await keyOf(ring, number));
    keys.set(number, key);
    expect(decryptField(notes, key, contextOf(row), { legacy: false })).toBe(textOf(row));
  }
  expect(rows).toHaveLength(3 * ROTATIONS);
});

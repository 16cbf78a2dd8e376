import { randomBytes, randomUUID } from 'node:crypto';
import { Readable } from 'node:stream';
import { openSession } from '../cli/aws/session.ts';
import type { ProcessIo } from '../cli/process-io.ts';
import { runMaintain, type MaintainResult } from '../cli/ring/maintenance.ts';
import type { LambdaChoice } from '../local/start.ts';
import {
  currentKey,
  readRecords,
  recordUnder,
  type Reading,
  type SecretAccess,
  type UnreadableRecord,
} from './application.ts';
import { createTable } from './create-table.ts';
import type { PatientRecord } from './patient-record.ts';
import type { PatientTable } from './patient-table.ts';
import {
  createSecret,
  GUIDE,
  nextRotation,
  periodsOf,
  rotate,
  startSecretsManager,
  today,
  turnRotationOn,
  versionsOf,
  type KeptVersion,
  type RunningService,
} from './years.ts';

/** Before the first rotation. `NEW_ROWS` are written after each one. */
const FIRST_ROWS = 100;
const NEW_ROWS = 2;

/** `retire` waits 24 hours after the last change of the secret. */
const NEXT_DAY = 25 * 3_600_000;

/** AWS allows 20 labels, and has three of its own. */
const MOST_LABELS = 17;

/** What `npm start -- --maintain` reports as it happens. */
export type MaintainedHappening =
  | { readonly kind: 'table created'; readonly table: PatientTable; readonly url: string }
  | { readonly kind: 'secret created'; readonly date: string; readonly rows: number }
  | { readonly kind: 'rotation turned on'; readonly date: string; readonly days: number }
  | { readonly kind: 'period begun'; readonly date: string; readonly place: number; readonly of: number }
  | { readonly kind: 'maintained'; readonly place: number; readonly of: number; readonly state: MaintainedState };

/** A day after a rotation, when they were maintained. */
interface MaintainedState {
  readonly date: string;
  readonly currentNumber: number;
  /** Before the maintenance: the fewest. */
  readonly freeLabels: number;
  /** So far. */
  readonly retired: number;
  readonly reading: Reading;
}

/** What `npm start -- --maintain --json` prints. It holds no key. */
export interface MaintainedResult {
  /** Whether every row was readable at every reading, and three labels were always free. */
  readonly ok: boolean;
  readonly secretId: string;
  readonly years: number;
  readonly days: number;
  readonly table: 'PostgreSQL' | 'memory';
  readonly rotations: number;
  readonly lambdaRuns: number;
  readonly maintainRuns: number;
  readonly retired: number;
  readonly fewestFreeLabels: number;
  readonly rows: number;
  /** Rows that re-encryption has written in all runs. */
  readonly reencrypted: number;
  readonly decryptions: number;
  readonly readable: number;
  readonly unreadable: readonly UnreadableRecord[];
  readonly versions: readonly KeptVersion[];
  readonly seconds: number;
}

export interface MaintainedOptions {
  readonly years: number;
  readonly days: number;
  readonly lambda: LambdaChoice;
  readonly tell: (happening: MaintainedHappening) => void;
}

/** The message says why. */
class PersonNeededError extends Error {
  override readonly name = 'PersonNeededError';
}

/** Two keys in use without a number, and the new one. */
const NEEDED_LABELS = 3;

/**
 * Rotates through the years with a table behind the ring. After each rotation rows are written, also by a process that
 * still has the older key. A day later the work of `maintain --retire do` is done. Throws `RotationFailedError` or
 * `PersonNeededError`.
 */
export async function tellMaintainedStory(options: MaintainedOptions): Promise<MaintainedResult> {
  const begun = performance.now();
  const { years, days, lambda, tell } = options;
  const service = await startSecretsManager(() => lambda);
  let table: PatientTable | undefined;
  try {
    table = await createTable(service.secret);
    tell({ kind: 'table created', table, url: service.local.url });
    const lived = await live(service, table, options);
    const { local, secret } = service;
    const runs = local.service.history.records.flatMap(({ attempts }) => attempts.flatMap(({ steps }) => steps));
    const last = lived.readings.at(-1) ?? { tried: 0, unreadable: [] };
    const { fewestFreeLabels } = lived;
    return {
      ok: fewestFreeLabels >= NEEDED_LABELS && lived.readings.every(({ unreadable }) => unreadable.length === 0),
      secretId: GUIDE.secretId,
      years,
      days,
      table: table.isPostgres ? 'PostgreSQL' : 'memory',
      rotations: local.service.history.records.length,
      lambdaRuns: runs.length,
      maintainRuns: lived.maintained.length,
      retired: sum(lived.maintained.map(({ retired }) => retired.length)),
      fewestFreeLabels,
      rows: last.tried,
      reencrypted: sum(lived.maintained.flatMap(({ reencrypted }) => reencrypted.map(({ rows }) => rows))),
      decryptions: sum(lived.readings.map(({ tried }) => tried)),
      readable: last.tried - last.unreadable.length,
      unreadable: last.unreadable,
      versions: await versionsOf(secret),
      seconds: Math.round((performance.now() - begun) / 100) / 10,
    };
  } finally {
    await table?.close();
    await service.close();
  }
}

interface Lived {
  readonly fewestFreeLabels: number;
  readonly maintained: readonly MaintainResult[];
  readonly readings: readonly Reading[];
}

async function live(
  service: RunningService,
  table: PatientTable,
  { years, days, tell }: MaintainedOptions,
): Promise<Lived> {
  const { local, secret } = service;
  const periods = periodsOf(years, days);
  const records: PatientRecord[] = [];
  const maintained: MaintainResult[] = [];
  const readings: Reading[] = [];
  let fewestFreeLabels = MOST_LABELS;
  let retired = 0;
  const write = async (key: Parameters<typeof recordUnder>[0], rows: number): Promise<void> => {
    const written = Array.from({ length: rows }, (_, index) => recordUnder(key, records.length + index + 1));
    records.push(...written);
    await table.insert(written);
  };
  await createSecret(secret);
  await write(await currentKey(secret), FIRST_ROWS);
  tell({ kind: 'secret created', date: today(local), rows: FIRST_ROWS });
  tell({ kind: 'rotation turned on', date: today(local), days });

  for (let place = 0; place <= periods; place += 1) {
    const outdated = await currentKey(secret);
    tell({ kind: 'period begun', date: today(local), place, of: periods });
    await rotate(
      local,
      () => undefined,
      () => (place === 0 ? turnRotationOn(secret, local, days) : nextRotation(local)),
    );
    await write(await currentKey(secret), NEW_ROWS);
    // A process that has not seen the rotation yet.
    await write(outdated, 1);
    const freeLabels = await freeLabelsOf(secret);
    fewestFreeLabels = Math.min(fewestFreeLabels, freeLabels);
    await local.service.advance(NEXT_DAY);
    const result = await maintain(service, table);
    maintained.push(result);
    retired += result.retired.length;
    const reading = await readTable(service, table, records);
    readings.push(reading);
    const state = { date: today(local), currentNumber: result.currentNumber, freeLabels, retired, reading };
    tell({ kind: 'maintained', place, of: periods, state });
  }
  return { fewestFreeLabels, maintained, readings };
}

async function freeLabelsOf(secret: SecretAccess): Promise<number> {
  const labels = (await versionsOf(secret)).flatMap((version) => version.labels);
  return MOST_LABELS - labels.filter((label) => !label.startsWith('AWS')).length;
}

/** As a process that starts now reads it. A row that is no longer in the table is unreadable. */
async function readTable(
  { secret }: RunningService,
  table: PatientTable,
  records: readonly PatientRecord[],
): Promise<Reading> {
  const stored = await table.ciphertexts();
  const none = new Uint8Array();
  return readRecords(
    secret,
    records.map((record) => ({ ...record, ciphertext: stored.get(record.id) ?? none })),
  );
}

/** `pazpaz-keys maintain --retire do`, in this process and at the time of the service. */
async function maintain({ local, secret }: RunningService, table: PatientTable): Promise<MaintainResult> {
  const { service, url } = local;
  const silent = { write: () => true };
  const io: ProcessIo = {
    environment: {},
    stdout: silent,
    stderr: silent,
    stdin: Readable.from([]),
    ask: () => Promise.resolve(''),
    now: () => new Date(service.clock.now()),
    sleep: (milliseconds) => service.advance(milliseconds),
    randomKey: () => randomBytes(32),
    newVersionId: randomUUID,
  };
  const session = openSession(io, { secretId: secret.secretId, region: 'us-east-1', endpointUrl: url });
  try {
    const result = await table.maintained(session, io, (rows) =>
      runMaintain(session.deps, rows, { keep: 2, retire: 'do' }),
    );
    const [due] = result.next.filter(({ needsPerson }) => needsPerson);
    if (due !== undefined) throw new PersonNeededError(`On ${today(local)}, maintain asks for a person: ${due.text}`);
    return result;
  } finally {
    session.client.destroy();
  }
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}

import { runMaintain, type MaintainOptions, type MaintainResult } from '../../../src/cli/ring/maintenance.ts';
import type { MaintainedRows } from '../../../src/cli/rows/maintained-rows.ts';
import type { Census } from '../../../src/cli/rows/row-count.ts';
import { KeyRotationError } from '../../../src/format/error.ts';
import { stopServices } from '../../local/support/running-service.ts';
import { HOUR } from '../../local/support/state-machine.ts';
import { current, holding, keyOf, previous, ringWith, type TestRing } from '../../support/ring.ts';
import { counting, giveCredentials, numbers, operatorOf } from '../support/operator.ts';

beforeAll(giveCredentials);
afterEach(stopServices);

/** Rows of which a test says what they are; all of them were brought to the current key. */
class FakeRows implements MaintainedRows {
  left: number | undefined = 0;
  reencryptions = 0;
  columns: Awaited<ReturnType<MaintainedRows['reencrypt']>> = [];
  /** What each census finds; the last one stays. */
  readonly #counts: Census[];

  constructor(...counts: readonly Census[]) {
    this.#counts = [...counts];
  }

  leftByLast = () => Promise.resolve(this.left);
  reencrypt: MaintainedRows['reencrypt'] = () => {
    this.reencryptions += 1;
    this.left ??= 0;
    return Promise.resolve(this.columns);
  };
  census: Census = (asked) => {
    const [count = counting()] = this.#counts;
    if (this.#counts.length > 1) this.#counts.shift();
    return count(asked);
  };
}

async function maintained(
  ring: TestRing,
  rows: MaintainedRows = new FakeRows(),
  options: Partial<MaintainOptions> = {},
): Promise<MaintainResult & { readonly codes: readonly string[] }> {
  const result = await runMaintain(operatorOf(ring).deps, rows, { keep: 2, retire: 'do', ...options });
  return { ...result, codes: result.next.map(({ code }) => code) };
}

async function oldRing(): Promise<TestRing> {
  const ring = await ringWith(1, 2, 3, previous(4), current(5));
  await ring.enableRotation();
  await ring.service.advance(25 * HOUR);
  return ring;
}

const retiredIn = ({ retired }: MaintainResult) => retired.map(({ number }) => number);

describe('maintain', () => {
  test('names the transactions whose rows were not seen, and needs a person', async () => {
    const ring = await ringWith(previous(1), current(2));
    await ring.enableRotation();
    const place = { relation: 'public.patients', owner: 'clinic', column: 'notes' };
    const openWriters = 'process 4711 (role clinic, open for 70 s)';
    const rows = new FakeRows();
    rows.left = undefined;
    rows.columns = [{ ...place, keyNumber: 2, isFinished: true, rows: 3, left: 0, openWriters }];
    const { next } = await maintained(ring, rows);
    const [due] = next.filter(({ code }) => code === 'rows-unseen');
    expect(due).toMatchObject({ needsPerson: true, next: [{ command: 'reencrypt' }] });
    expect(due?.text).toContain(`public.patients.notes (owner clinic): rows of transactions`);
    expect(due?.text).toContain(openWriters);
  });

  test('has nothing to do on a ring of two keys whose rows are under the current one', async () => {
    const ring = await ringWith(previous(1), current(2));
    await ring.enableRotation();
    const before = ring.snapshot;
    const rows = new FakeRows(() => Promise.reject(new Error('no one has to count')));
    expect(await maintained(ring, rows)).toMatchObject({
      ...{ currentNumber: 2, freeSlots: 15, adopted: false, reencrypted: [], retired: [], proposed: [] },
      next: [{ code: 'next-rotation', needsPerson: false, at: expect.any(String) as string }],
    });
    expect(rows.reencryptions).toBe(0);
    expect(ring.snapshot).toBe(before);
  });

  test('names the commands that help where a job over the rows was begun with other options', async () => {
    const rows = new FakeRows();
    rows.left = undefined;
    rows.reencrypt = () => Promise.reject(new KeyRotationError('JOB_DIFFERS', 'It was begun with others.'));
    const { next } = await maintained(await oldRing(), rows, { retire: 'off' });
    expect(next[0]).toMatchObject({
      code: 'JOB_DIFFERS',
      needsPerson: true,
      next: [
        { command: 'reencrypt', args: ['--show'] },
        { command: 'reencrypt', args: ['--start-over'] },
      ],
    });
  });

  test('brings rows to the current key after a rotation', async () => {
    const rows = new FakeRows();
    rows.left = undefined;
    await maintained(await ringWith(previous(1), current(2)), rows);
    expect(rows.reencryptions).toBe(1);
  });

  test('waits a day after the last change of the secret, and says until when', async () => {
    const ring = await ringWith(1, 2, previous(3), current(4));
    const { next } = await maintained(ring);
    const at = new Date(ring.secret.lastChangedDate + 24 * HOUR).toISOString();
    expect(next[0]).toMatchObject({ code: 'TOO_EARLY_TO_RETIRE', needsPerson: false, at });
  });

  test('retires what no row needs, and a second run finds nothing to do', async () => {
    const ring = await oldRing();
    expect(retiredIn(await maintained(ring))).toEqual([1, 2, 3]);
    const before = ring.snapshot;
    expect(await maintained(ring)).toMatchObject({ retired: [], codes: ['next-rotation'] });
    expect(ring.snapshot).toBe(before);
  });

  test.each([
    [2, [1, 2, 3]],
    [3, [1, 2]],
    [17, []],
  ])('keeps the newest %d keys', async (keep, gone) => {
    expect(retiredIn(await maintained(await oldRing(), new FakeRows(), { keep }))).toEqual(gone);
  });

  test('proposes by default, after the checks of retire, and writes nothing', async () => {
    const ring = await oldRing();
    const before = ring.snapshot;
    const accepted = ['--empty-is-fine'];
    expect(await maintained(ring, new FakeRows(), { retire: 'propose', accepted })).toMatchObject({
      ...{ retired: [], proposed: [1, 2, 3], counted: [] },
      next: [
        {
          ...{ code: 'retire-proposed', needsPerson: true },
          next: [{ command: 'retire', args: ['1', '2', '3', '--empty-is-fine'] }],
        },
        { code: 'next-rotation' },
      ],
    });
    expect(ring.snapshot).toBe(before);
    expect((await maintained(ring, new FakeRows(), { retire: 'off' })).codes).toEqual(['next-rotation']);
  });

  test('names what it would retire in a dry run, which needs no person and writes nothing', async () => {
    const ring = await oldRing();
    const before = ring.snapshot;
    const { next, proposed } = await maintained(ring, new FakeRows(), { isDryRun: true });
    expect({ proposed, next: next[0] }).toEqual({
      proposed: [1, 2, 3],
      next: {
        ...{ code: 'retirement-due', needsPerson: false, next: [] },
        text: 'It would retire keys 1, 2, 3, which no counted row needs.',
      },
    });
    expect(ring.snapshot).toBe(before);
  });

  test('leaves the decision to a person where columns were not counted', async () => {
    const ring = await oldRing();
    const before = ring.snapshot;
    const { next, proposed } = await maintained(ring, new FakeRows(counting({ unlisted: ['clinic.cards.v'] })));
    expect(proposed).toEqual([1, 2, 3]);
    expect(next[0]?.text).toContain('clinic.cards.v');
    expect(ring.snapshot).toBe(before);
  });

  test('names tables that were not looked at, and columns that were not counted, as retire does', async () => {
    const skipped = [{ table: 'other.closed', reason: 'permission denied' }];
    const seen = counting({ skipped, unlisted: ['clinic.cards.v'] });
    const result = await maintained(await oldRing(), new FakeRows(seen));
    expect(result).toMatchObject({ skipped, unlisted: ['clinic.cards.v'] });
    expect(await maintained(await oldRing(), new FakeRows(counting({ skipped })))).toMatchObject({ skipped });
    expect(await maintained(await oldRing())).not.toHaveProperty('skipped');
  });

  test('re-encrypts again where rows were written under an older key meanwhile', async () => {
    const rows = new FakeRows(counting({ rows: { 1: 7 } }), counting());
    expect(retiredIn(await maintained(await oldRing(), rows))).toEqual([1, 2, 3]);
    expect(rows.reencryptions).toBe(1);
  });

  test('does not let a row that stays hold up keys that it does not need', async () => {
    const rows = new FakeRows(counting({ rows: { 2: 1 } }));
    const result = await maintained(await oldRing(), rows);
    expect(retiredIn(result)).toEqual([1, 3]);
    expect(result.next[0]).toMatchObject({ code: 'ROWS_STILL_NEED_KEY', needsPerson: true });
    expect(rows.reencryptions).toBe(1);
  });

  test.each([
    ['rows that no key opens', { unattributableRows: 1 }],
    ['rows that the census cannot see', { isComplete: false }],
    ['a ciphertext within a plaintext', { nestedByNumber: new Map([[0, 1]]) }],
  ])('retires nothing over %s, and a person is needed', async (_, found) => {
    const ring = await oldRing();
    const before = ring.snapshot;
    const { next } = await maintained(ring, new FakeRows(counting(found)));
    expect(next[0]).toMatchObject({ code: 'ROWS_STILL_NEED_KEY', needsPerson: true });
    expect(ring.snapshot).toBe(before);
  });

  test('does not retire a key that could not be read, and a person decides about it', async () => {
    const unreadKeys = [{ numbers: [2], why: 'access denied' }];
    const result = await maintained(await oldRing(), new FakeRows(counting({ unreadKeys })));
    expect(retiredIn(result)).toEqual([1, 3]);
    expect(result.next[0]).toMatchObject({ code: 'NO_CENSUS', needsPerson: true });
    expect(result.next[0]?.text).toContain('Key 2 could not be read');
  });

  test('reports what a part refuses, and does the others', async () => {
    const ring = await oldRing();
    const rows = new FakeRows();
    rows.left = undefined;
    rows.reencrypt = () => Promise.reject(new KeyRotationError('TRIGGERS_UNDECIDED', 'Choose --triggers.'));
    const result = await maintained(ring, rows);
    expect(retiredIn(result)).toEqual([1, 2, 3]);
    expect(result.next[0]).toMatchObject({ code: 'TRIGGERS_UNDECIDED', needsPerson: true });
  });

  test('says that it numbered a key, also where that key gave its other label away, and not where none is one', async () => {
    const ring = await ringWith(previous(1), current(2));
    await ring.put(keyOf(60).toString('base64'), undefined, ['key-incoming']);
    expect(await maintained(ring)).toMatchObject({ adopted: true });
    expect(await maintained(ring)).toMatchObject({ adopted: false });
    expect(await maintained(await ringWith(holding('not a key', previous()), current(2)))).toMatchObject({
      adopted: false,
    });
  });

  test('fails where there is no answer', async () => {
    const unreached = new KeyRotationError('CANNOT_REACH_DATABASE', 'No answer.');
    const rows = new FakeRows(() => Promise.reject(unreached));
    await expect(maintained(await oldRing(), rows)).rejects.toBe(unreached);
  });

  test('numbers keys in use and finishes an interrupted put --not-current', async () => {
    const ring = await ringWith(1, previous(2), current());
    await ring.put(keyOf(60).toString('base64'), undefined, ['key-incoming']);
    expect(await maintained(ring)).toMatchObject({ adopted: true, currentNumber: 3 });
    expect(Object.values(ring.secret.versions).flatMap(({ stages }) => stages)).not.toContain('key-incoming');
  });

  test.each([
    ['the current key', current(2)],
    ['the previous key', previous(2)],
  ])('takes key-incoming off a numbered key that is in use as well: %s', async (_, inUse) => {
    const ring = await ringWith(inUse, inUse.label === 'AWSCURRENT' ? previous(1) : current(3));
    await ring.enableRotation();
    await ring.label('key-incoming', 1);
    expect((await maintained(ring)).codes).not.toContain('key-arriving');
    expect(Object.values(ring.secret.versions).flatMap(({ stages }) => stages)).not.toContain('key-incoming');
  });

  test('waits for a rotation under way, and calls a person once that takes a day', async () => {
    const ring = await oldRing();
    await ring.begin();
    await ring.step('createSecret');
    for (const [hours, needsPerson] of [
      [23, false],
      [2, true],
    ] as const) {
      await ring.service.advance(hours * HOUR);
      const { next, retired } = await maintained(ring);
      expect(retired).toEqual([]);
      expect(next.find(({ code }) => code === 'ROTATION_UNDER_WAY')).toMatchObject({ needsPerson });
    }
  });

  test('finishes a retirement that was killed between its record and the label', async () => {
    const ring = await oldRing();
    const killed = operatorOf(ring, (secrets) => ({
      ...secrets,
      updateSecretVersionStage: () => Promise.reject(new KeyRotationError('CANNOT_REACH_AWS', 'killed')),
    }));
    await expect(runMaintain(killed.deps, new FakeRows(), { keep: 2, retire: 'do' })).rejects.toMatchObject({
      code: 'CANNOT_REACH_AWS',
    });
    expect(ring.secret.tags).toHaveLength(3);
    expect(retiredIn(await maintained(ring))).toEqual([1, 2, 3]);
  });

  test('leaves an interrupted restore to a person', async () => {
    const ring = await oldRing();
    expect(retiredIn(await maintained(ring, new FakeRows(), { keep: 4 }))).toEqual([1]);
    await ring.service.advance(25 * HOUR);
    await ring.label('key-v1', 1);
    await ring.service.advance(25 * HOUR);
    const { next, retired } = await maintained(ring, new FakeRows(), { keep: 4 });
    expect(retired).toEqual([]);
    expect(next[0]).toMatchObject({ code: 'retirement-unfinished', needsPerson: true });
  });

  test('takes part in nothing that another run has done', async () => {
    const ring = await oldRing();
    const both = await Promise.all([maintained(ring), maintained(ring)]);
    const gone = both.flatMap(retiredIn);
    expect([...new Set(gone)].sort()).toEqual(numbers(1, 2, 3));
    expect(both.flatMap(({ next }) => next.filter(({ needsPerson }) => needsPerson))).toEqual([]);
  });
});

import { ProgressLine, type ShownProgress } from '../../../src/cli/rows/progress.ts';

/** What progress shows on a screen when batches come at these times, in milliseconds, with so many rows read in all. */
function shown(isTTY: boolean, ...batches: readonly (readonly [number, number])[]): readonly string[] {
  const written: string[] = [];
  let now = 0;
  const progress = new ProgressLine({ isTTY, write: (text) => written.push(text) }, () => now);
  for (const [at, readRows] of batches) {
    now = at;
    progress.onBatch(batch(readRows));
  }
  progress.end();
  return written;
}

function batch(readRows: number): ShownProgress {
  return {
    column: { spec: { table: 'patients', column: 'notes' }, estimatedRows: 100_000 },
    totals: { readRows },
  };
}

describe('the progress of a re-encryption', () => {
  test('is one line on a terminal, redrawn a few times a second, with rate and time left, and leaves nothing', () => {
    expect(shown(true, [100, 2000], [300, 4000], [350, 5000], [1100, 12_000])).toEqual([
      '\r\u001b[2Kpatients.notes: 4,000 of about 100,000 rows, 10,000 rows/s, about 10 s left',
      '\r\u001b[2Kpatients.notes: 12,000 of about 100,000 rows, 10,000 rows/s, about 9 s left',
      '\r\u001b[2K',
    ]);
  });

  test('is a plain line every ten seconds elsewhere', () => {
    expect(shown(false, [1000, 2000], [9000, 10_000], [11_000, 12_000], [12_000, 13_000], [21_000, 22_000])).toEqual([
      'patients.notes: 12,000 of about 100,000 rows, 1,000 rows/s, about 88 s left\n',
      'patients.notes: 22,000 of about 100,000 rows, 1,000 rows/s, about 78 s left\n',
    ]);
  });

  test('names a listed member, and counts its rate apart from that of another member', () => {
    const written: string[] = [];
    let now = 0;
    const progress = new ProgressLine({ isTTY: true, write: (text) => written.push(text) }, () => now);
    const of = (member: string | undefined, readRows: number): ShownProgress => ({
      column: {
        spec: { table: 'docs', column: 'doc', ...(member === undefined ? {} : { member }) },
        estimatedRows: 10,
      },
      totals: { readRows },
    });
    for (const batch of [of(undefined, 10), of('ssn', 2)]) {
      now += 1000;
      progress.onBatch(batch);
    }
    expect(written.join('\n').replaceAll('\r\u001b[2K', '')).toBe(
      'docs.doc: 10 of about 10 rows\ndocs.doc->ssn: 2 of about 10 rows',
    );
  });

  test('names the table that a search for ciphertexts has come to', () => {
    const written: string[] = [];
    let now = 0;
    const progress = new ProgressLine({ isTTY: false, write: (text) => written.push(text) }, () => now);
    for (const at of [1000, 11_000, 12_000]) {
      now = at;
      progress.onSearch('clinic.visits', at / 10, 3000);
    }
    expect(written).toEqual(['Search for ciphertexts: 1,100 of 3,000 columns, at clinic.visits\n']);
  });

  test('says nothing of a job that is done at once', () => {
    expect(shown(true, [100, 2000])).toEqual([]);
    expect(shown(false, [100, 2000])).toEqual([]);
  });
});

import {
  hasPassedAgeCheck,
  requireNoRows,
  requireOldEnough,
  requireOutOfUse,
} from '../../../src/cli/ring/retire-checks.ts';
import type { CensusResult } from '../../../src/cli/rows/row-count.ts';
import { toKeyNumber } from '../../../src/format/key-number.ts';
import { ringLabels } from '../../../src/format/ring-labels.ts';
import { errorOf } from '../../format/support/error-of.ts';
import { HOUR } from '../../local/support/state-machine.ts';
import { counting, numbers, saidBy } from '../support/operator.ts';

const CHANGED = new Date('2026-10-12T10:30:00.000Z');
const later = (milliseconds: number) => new Date(CHANGED.getTime() + milliseconds);

describe('a retirement that was begun has passed the age check', () => {
  const record = { number: toKeyNumber(1), versionId: 'a', date: CHANGED.toISOString(), isForced: false };

  test('while nothing but its own writes, of two minutes at most, has changed the secret', () => {
    for (const milliseconds of [0, 120_000, -120_000])
      expect(hasPassedAgeCheck(record, later(milliseconds))).toBe(true);
    for (const milliseconds of [120_001, -120_001]) expect(hasPassedAgeCheck(record, later(milliseconds))).toBe(false);
  });

  test('unless it was forced, or nothing says when the secret was changed', () => {
    expect(hasPassedAgeCheck({ ...record, isForced: true }, CHANGED)).toBe(false);
    expect(hasPassedAgeCheck(record, undefined)).toBe(false);
  });
});

describe('a key in use', () => {
  const ring = ringLabels({
    a: ['key-v1'],
    b: ['AWSPREVIOUS', 'key-v2'],
    c: ['AWSCURRENT', 'key-v3'],
    d: ['AWSPENDING', 'key-v4'],
    e: ['key-v5'],
  });
  const refusal = (number: number) => {
    const key = toKeyNumber(number);
    const error = errorOf(() => {
      requireOutOfUse(ring, key, ring.versionOf.get(key) ?? '');
    });
    expect(error.code).toBe('KEY_STILL_NEEDED');
    return saidBy(error);
  };

  test('is told how it gets out of use', () => {
    expect(refusal(3)).toMatch(/^Key 3 is AWSCURRENT \(version c\)[^]*two more moves[^]*\npazpaz-keys rotate --wait$/);
    expect(refusal(2)).toMatch(/^Key 2 is AWSPREVIOUS \(version b\)[^]*one more move [^]*\npazpaz-keys rotate --wait$/);
    expect(refusal(4)).toMatch(
      /^Key 4 is AWSPENDING \(version d\)[^]*Take AWSPENDING off it first[^]*\npazpaz-keys rotate --clean-up$/,
    );
    expect(refusal(5)).toMatch(/^Key 5 has the highest number[^]* then retire it\.\npazpaz-keys rotate --wait$/);
  });

  test('is any but a key without a label of AWS and with a lower number', () => {
    expect(() => {
      requireOutOfUse(ring, toKeyNumber(1), 'a');
    }).not.toThrow();
  });
});

describe('a secret is old enough', () => {
  const attempt = (milliseconds: number) => () => {
    requireOldEnough(CHANGED, later(milliseconds));
  };

  test('when its last change is more than 24 hours ago', () => {
    expect(attempt(24 * HOUR + 1)).not.toThrow();
    const { code, message } = errorOf(attempt(24 * HOUR));
    expect(code).toBe('TOO_EARLY_TO_RETIRE');
    expect(message).toContain('last changed on 2026-10-12T10:30:00.000Z');
    expect(message).toContain('Retire at 2026-10-13T10:30:00.000Z at the earliest');
    expect(message).toContain('restarts the 24 hours');
  });

  test('never, where nothing says when it was changed', () => {
    const refused = errorOf(() => {
      requireOldEnough(undefined, CHANGED);
    });
    expect(refused.message).toContain('2026-10-13T10:30:00.000Z');
  });
});

describe('rows that still need a key', () => {
  async function refusal(found: Parameters<typeof counting>[0], ...which: readonly number[]): Promise<string> {
    const census: CensusResult = await counting(found)(numbers(...which));
    const error = errorOf(() => {
      requireNoRows(census, numbers(...which));
    });
    expect(error.code).toBe('ROWS_STILL_NEED_KEY');
    return saidBy(error);
  }

  test('are none where a complete census finds none', async () => {
    const census = await counting({ rows: { 3: 7 }, nestedByNumber: new Map([[3, 1]]) })(numbers(1, 2));
    expect(() => {
      requireNoRows(census, numbers(1, 2));
    }).not.toThrow();
  });

  test('are counted by kind, and brought to the current key', async () => {
    const said = await refusal({ rows: { 1: 1, 3: 5 }, rowsWithNumberZero: 2, legacyRows: 4 }, 1, 2);
    expect(said).toMatch(
      /^The census found 1 row of key 1, 2 rows with number 0, 4 rows without a number \(older data\)\. Move rows /,
    );
    expect(said).not.toMatch(/No command can|Only the application|To see every row/);
    expect(said).toMatch(/\npazpaz-keys reencrypt --columns columns.json$/);
  });

  test('get one piece of advice for each kind', async () => {
    const said = await refusal({ rows: { 1: 1 }, unattributableRows: 1 }, 1, 2);
    expect(said).toMatch(/ Move rows to the current key first; then retire\. No command can /);
  });

  test('are looked at where no key opens them', async () => {
    const said = await refusal({ unattributableRows: 1 }, 1);
    expect(said).toMatch(/^The census found 1 row that no key opens\. No command can /);
    expect(said).not.toMatch(/Move rows|Only the application|To see every row/);
    expect(said).toMatch(/\npazpaz-keys census --columns columns.json$/);
  });

  test('may need a key that could not be read', async () => {
    const unreadKeys = [{ numbers: [2], why: 'its KMS key is disabled.' }];
    const said = await refusal({ unattributableRows: 1, unreadKeys }, 1);
    expect(said).toMatch(
      /^The census found 1 row that no key opens of those that could be read\. Key 2 could not be read/,
    );
    expect(said).not.toMatch(/delete them/);
    expect(said).toMatch(/\npazpaz-keys doctor$/);
  });

  test('may be rows that the census cannot see', async () => {
    const said = await refusal({ isComplete: false }, 1);
    expect(said).toMatch(/^The census found rows that the census cannot see\. To see every row, /);
    expect(said).not.toMatch(/Move rows|No command can|Only the application/);
  });

  test.each([
    [2, 'that key 2 opens'],
    [0, 'that a key without a number opens'],
  ])('may have a ciphertext inside their plaintext, under %i', async (number, words) => {
    const said = await refusal({ nestedByNumber: new Map([[number, 3]]) }, 1, 2);
    expect(said).toMatch(
      new RegExp(`^The census found 3 rows whose plaintext has a ciphertext in it ${words}\\. Only the application `),
    );
    expect(said).not.toMatch(/Move rows|No command can|To see every row/);
  });
});

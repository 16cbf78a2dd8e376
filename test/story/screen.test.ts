import { stripVTControlCharacters } from 'node:util';
import { toKeyNumber } from '../../src/format/key-number.ts';
import { LiveLine } from '../../src/story/live-line.ts';
import { abilitiesOf, COLOURED, PLAIN } from '../../src/story/paint.ts';
import { complaint, linesOf, resultLines, rotatingLine } from '../../src/story/screen.ts';
import type { StoryResult } from '../../src/story/story.ts';
import type { Happening } from '../../src/story/years.ts';

const RESULT: StoryResult = {
  ok: true,
  secretId: 'pazpaz/encryption-key-v1',
  years: 1,
  days: 365,
  rotations: 1,
  lambdaRuns: 4,
  decryptions: 2,
  ciphertexts: 2,
  readable: 2,
  unreadable: [],
  versions: [
    { versionId: '0b5e12aa-x', number: 1, labels: ['AWSPREVIOUS', 'key-v1'], created: '2026-01-01', encrypted: ['a'] },
    { versionId: '1c5e12aa-x', number: 2, labels: ['AWSCURRENT', 'key-v2'], created: '2026-01-01', encrypted: ['b'] },
  ],
  contrast: {
    currentOnly: 1,
    currentAndPrevious: 2,
    usualLambda: { keysMade: 2, keysLeft: 2, ciphertexts: 2, readable: 2 },
  },
  seconds: 1.2,
};

const LOST: Happening = {
  kind: 'rotated',
  date: '2026-01-01',
  record: {
    id: 2,
    text: 'b',
    context: 'patients:2:notes',
    ciphertext: Buffer.of(2),
    keyNumber: toKeyNumber(2),
    versionId: 'v',
  },
  reading: { tried: 2, unreadable: [{ id: 1, keyNumber: 1, problem: 'no version has the number 1' }] },
};

describe('the screen of the story', () => {
  test('has colours on a terminal that no one declined them for, and only there', () => {
    const terminal = { isTTY: true };
    expect(abilitiesOf(terminal, {})).toEqual({ isLive: true, paint: COLOURED });
    expect(abilitiesOf(terminal, { NO_COLOR: '' })).toEqual({ isLive: true, paint: COLOURED });
    expect(abilitiesOf(terminal, { NO_COLOR: '1' })).toEqual({ isLive: true, paint: PLAIN });
    expect(abilitiesOf(terminal, { TERM: 'dumb' })).toEqual({ isLive: false, paint: PLAIN });
    expect(abilitiesOf({}, {})).toEqual({ isLive: false, paint: PLAIN });
  });

  test('says the same with colours as without', () => {
    const coloured = resultLines(RESULT, COLOURED).join('\n');
    expect(coloured).toContain('\u001B[32m2 of 2 ciphertexts readable\u001B[39m');
    expect(stripVTControlCharacters(coloured)).toBe(resultLines(RESULT, PLAIN).join('\n'));
  });

  test('shows the versions as a table in step, numbers before the labels of AWS', () => {
    expect(resultLines(RESULT, PLAIN).slice(1, 4)).toEqual([
      'key  version   labels              created     encrypted with it  records',
      '  1  0b5e12aa  key-v1 AWSPREVIOUS  2026-01-01  a                        1',
      '  2  1c5e12aa  key-v2 AWSCURRENT   2026-01-01  b                        1',
    ]);
  });

  test('names each record that cannot be read, and why, in the year in which it happens', () => {
    expect(linesOf(LOST, PLAIN)).toEqual([
      "2026-01-01  key 2        'b'                        1 of 2 readable",
      '            record 1 cannot be read: no version has the number 1',
    ]);
  });

  test('complains of lost data in one line, also of data that came back, and never else', () => {
    const unreadable = [{ id: 1, keyNumber: 1, problem: 'no version has the number 1' }];
    expect(complaint(RESULT)).toBeUndefined();
    expect(complaint({ ...RESULT, ok: false, readable: 1, unreadable })).toBe(
      '1 of 2 ciphertexts cannot be read any more. Record 1 is lost (no version has the number 1).',
    );
    expect(complaint({ ...RESULT, ok: false })).toContain('could not be read for a time');
  });
});

describe('the line that shows progress', () => {
  beforeEach(() => jest.useFakeTimers());
  afterEach(() => jest.useRealTimers());

  test('follows the steps, never wraps, and leaves nothing behind', () => {
    const written: string[] = [];
    const line = new LiveLine({ columns: 38, write: (text) => written.push(text) });
    const steps: string[] = [];
    line.show(() => rotatingLine(steps));
    steps.push('createSecret', 'setSecret');
    jest.advanceTimersByTime(100);
    line.clear();
    line.clear();
    jest.advanceTimersByTime(1000);
    expect(written.map(stripVTControlCharacters)).toEqual([
      '\r            rotating:  …',
      '\r            rotating: createSecret, s',
      '\r',
    ]);
    expect(written.at(-1)).toBe('\r\u001B[2K');
  });

  test('takes a terminal of unknown width for one of 80 columns', () => {
    const written: string[] = [];
    const line = new LiveLine({ columns: 0, write: (text) => written.push(text) });
    line.show(() => 'x'.repeat(100));
    line.clear();
    expect(stripVTControlCharacters(written[0] ?? '')).toHaveLength(80);
  });
});

import { Clock, durationInMilliseconds, isoDate } from '../../src/local/clock.ts';

describe('the clock', () => {
  test('runs with the real one, ahead of it', () => {
    let real = 1000;
    const clock = new Clock(() => real, 50);
    clock.moveTo(2000);
    real += 5;
    expect(clock.now()).toBe(2005);
    expect(clock.offset).toBe(1000);
  });

  test('stands still while it is held, and goes on from there', () => {
    let real = 0;
    const clock = new Clock(() => real);
    clock.hold();
    real = 10;
    clock.moveTo(100);
    real = 20;
    expect(clock.now()).toBe(100);
    clock.release();
    real = 21;
    expect(clock.now()).toBe(101);
  });

  test('continues where the real one is set back', () => {
    let real = 5000;
    const clock = new Clock(() => real, 50, 6000);
    expect(clock.now()).toBe(6000);
    real += 10;
    expect(clock.now()).toBe(6010);
    real -= 3000;
    expect(clock.offset).toBe(4000);
    real += 10;
    expect(clock.now()).toBe(6020);
  });

  test('never runs backwards', () => {
    const clock = new Clock(() => 1000);
    expect(() => {
      clock.moveTo(999);
    }).toThrow(RangeError);
    expect(() => {
      clock.moveTo(NaN);
    }).toThrow('asked for NaN');
  });
});

test.each([
  ['90s', 90_000],
  ['30m', 1_800_000],
  ['365d', 31_536_000_000],
  ['2w', 1_209_600_000],
])('%s is %d milliseconds', (text, expected) => {
  expect(durationInMilliseconds(text)).toBe(expected);
});

test.each(['', '5', 'd', '-1d', '1.5d', '1y', '1constructor'])('%j is no duration', (text) => {
  expect(() => durationInMilliseconds(text)).toThrow(RangeError);
});

test('a moment beyond every date is still printed', () => {
  expect(isoDate(0)).toBe('1970-01-01T00:00:00.000Z');
  expect(isoDate(1e20)).toBe('100000000000000000000');
});

import { grouped } from '../../rows/census-screen.ts';
import type { Evidence } from '../evidence.ts';
import { keysOnRing, numbersOf } from '../keys.ts';
import { rowsByKey, rowSums } from '../rows.ts';
import { html, type Html } from './html.ts';

const WIDTH = 720;
const LEFT = 190;
const LONGEST = 360;
const ROW = 26;

/** The current key first, and rows that no key opens. */
export function rowChart({ rows, secret, keys }: Evidence): Html {
  const counts = rowsByKey(rows);
  const { unreadable } = rowSums(rows, secret.currentNumber);
  const numbers = [...new Set([...numbersOf(keysOnRing(keys)), ...counts.keys()])].sort((one, other) => other - one);
  const bars = [
    ...numbers.map((number) => ({
      title: titleOf(number, secret.currentNumber),
      count: counts.get(number) ?? 0,
      kind: number === secret.currentNumber ? 'encrypts' : 'kept',
    })),
    ...(unreadable === 0 ? [] : [{ title: 'opened with no key', count: unreadable, kind: 'bad' }]),
  ];
  const most = Math.max(1, ...bars.map(({ count }) => count));
  return html`<svg viewBox="0 0 ${WIDTH} ${bars.length * ROW + 8}" role="img" aria-labelledby="rows-title">
    <title id="rows-title">Rows by the key that opens them</title>
    ${bars.map(({ title, count, kind }, index) => {
      const middle = index * ROW + ROW / 2 + 4;
      const length = count === 0 ? 0 : Math.max(2, Math.round((count / most) * LONGEST));
      return html`<text class="name" x="0" y="${middle + 4}">${title}</text>
        <rect class="${kind}" x="${LEFT}" y="${middle - 8}" width="${length}" height="16" />
        <text class="count" x="${LEFT + length + 8}" y="${middle + 4}"
          >${grouped(count)} row${count === 1 ? '' : 's'}</text
        >`;
    })}
  </svg>`;
}

function titleOf(number: number, currentNumber: number): string {
  if (number === 0) return 'a key without a number';
  return number === currentNumber ? `Key ${number} (encrypts now)` : `Key ${number}`;
}

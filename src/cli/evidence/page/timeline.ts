import type { Evidence, KeyFacts } from '../evidence.ts';
import { html, type Html } from './html.ts';
import { day, dueDay, keyTitle } from './words.ts';

const WIDTH = 720;
/** For the names of the keys, and for the last date. */
const LEFT = 104;
const RIGHT = 40;
const ROW = 26;
const TOP = 30;

type Place = (date: string | number) => number;

export function timeline(evidence: Evidence): Html {
  const { keys, madeAt, secret } = evidence;
  const shown = keys.filter(({ created, current, number }) => number !== undefined && (created ?? current[0]?.from));
  const isLate = secret.rotation.daysOverdue > 0;
  // Where one is late, a date of AWS for the next one would look as if all were well.
  const next = isLate ? undefined : secret.rotation.next;
  const due = isLate ? dueDay(evidence) : undefined;
  const starts = shown.map((key) => Date.parse(startOf(key)));
  const first = Math.min(...starts, Date.parse(madeAt));
  const last = Math.max(Date.parse(madeAt), next === undefined ? 0 : Date.parse(next));
  const place: Place = (date) => {
    const time = typeof date === 'number' ? date : Date.parse(date);
    return round(LEFT + ((time - first) / Math.max(1, last - first)) * (WIDTH - LEFT - RIGHT));
  };
  const bottom = TOP + shown.length * ROW + 6;
  return html`<svg viewBox="0 0 ${WIDTH} ${bottom + 34}" role="img" aria-labelledby="timeline-title">
    <title id="timeline-title">Time line of the keys</title>
    ${ticks(first, last).map((tick) => tickLine(tick, place(tick), bottom))}
    ${shown.map((key, index) => keyRow(key, TOP + index * ROW, place, madeAt))}
    ${mark(place(madeAt), bottom, `this report ${day(madeAt)}`, 'now', last === Date.parse(madeAt) ? 'end' : 'middle')}
    ${next === undefined ? html`` : mark(place(next), bottom, `next rotation by ${day(next)}`, 'next', 'end', 12)}
    ${due === undefined ? html`` : mark(place(due), bottom, `rotation was due by ${due}`, 'late', 'end', 12)}
  </svg>`;
}

function startOf({ created, current }: KeyFacts): string {
  return [created, current[0]?.from].filter((date) => date !== undefined).sort()[0] ?? '';
}

/** Thin from when the key was made until it was retired, thick while it encrypted. */
function keyRow(key: KeyFacts, top: number, place: Place, madeAt: string): Html {
  const middle = top + ROW / 2;
  const end = key.retired ?? madeAt;
  const from = place(startOf(key));
  return html`<text class="name" x="0" y="${middle + 4}">${keyTitle(key)}</text>
    <rect class="kept" x="${from}" y="${middle - 3}" width="${width(from, place(end))}" height="6" />
    ${key.current.map((period) => {
      const start = place(period.from);
      const to = place(period.to ?? end);
      return html`<rect
        class="${period.isEstimated ? 'encrypts estimated' : 'encrypts'}"
        x="${start}"
        y="${middle - 8}"
        width="${width(start, to)}"
        height="16"
      />`;
    })}
    <circle class="made" cx="${from}" cy="${middle}" r="3.5" />
    ${key.retired === undefined ? html`` : html`<path class="retired" d="M${place(end) - 5} ${middle - 5}l10 10m0 -10l-10 10" />`}`;
}

function width(from: number, to: number): number {
  return Math.max(2, round(to - from));
}

function tickLine(time: number, x: number, bottom: number): Html {
  const label = new Date(time).toISOString().slice(0, 7);
  return html`<line class="tick" x1="${x}" x2="${x}" y1="${TOP - 8}" y2="${bottom}" />
    <text class="date" x="${x}" y="${TOP - 14}" text-anchor="middle">${label}</text>`;
}

function mark(x: number, bottom: number, text: string, kind: string, anchor: string, lower = 0): Html {
  return html`<line class="${kind}" x1="${x}" x2="${x}" y1="${TOP - 8}" y2="${bottom + 4 + lower}" />
    <text class="date ${kind}" x="${x}" y="${bottom + 16 + lower}" text-anchor="${anchor}">${text}</text>`;
}

/** First days of months, few enough to be read side by side. */
function ticks(first: number, last: number): readonly number[] {
  const months = (last - first) / (30 * 24 * 3_600_000);
  const step = [1, 3, 6, 12, 24, 60].find((each) => months / each <= 7) ?? 120;
  const found: number[] = [];
  const start = new Date(first);
  for (let month = Math.ceil(start.getUTCMonth() / step) * step; ; month += step) {
    const time = Date.UTC(start.getUTCFullYear(), month);
    if (time > last) return found;
    if (time >= first) found.push(time);
  }
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}

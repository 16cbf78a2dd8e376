import { randomBytes } from 'node:crypto';
import { styleText } from 'node:util';
import type { Screen } from '../process-io.ts';

/** Without colours, every member returns the text unchanged. */
export interface Paint {
  readonly strong: (text: string) => string;
  readonly faint: (text: string) => string;
  readonly good: (text: string) => string;
  readonly warn: (text: string) => string;
  readonly bad: (text: string) => string;
}

type Style = 'bold' | 'dim' | 'green' | 'yellow' | 'red';

export const ERASE_LINE = '\r\u001b[2K';

/** No other text can have it, so a mark for a colour is always our own. */
const NONCE = randomBytes(16).toString('hex');

function markOf(style: Style, end: 'on' | 'off'): string {
  return `{${NONCE}:${style}:${end}}`;
}

const MARKS = new Map(
  (['bold', 'dim', 'green', 'yellow', 'red'] as const).flatMap((style) => {
    const [on = '', off = ''] = styleText(style, '|', { validateStream: false }).split('|');
    return [
      [markOf(style, 'on'), on],
      [markOf(style, 'off'), off],
    ];
  }),
);
const MARK = new RegExp(`\\{${NONCE}:[a-z]+:(?:on|off)\\}`, 'g');

/**
 * The one way to a screen: text of a database, of AWS or of the command line is made printable here, and then painted.
 * `ERASE_LINE` may begin a text.
 */
export function printableScreen(screen: Screen): Screen {
  return {
    isTTY: screen.isTTY,
    write: (text) => {
      const start = text.startsWith(ERASE_LINE) ? ERASE_LINE : '';
      const shown = printable(text.slice(start.length)).replace(MARK, (mark) => MARKS.get(mark) ?? '');
      return screen.write(start + shown);
    },
  };
}

/** A line break in a row's key starts no line that looks like ours. */
export function oneLine(text: string): string {
  return text.replaceAll('\n', '?');
}

/** Only on a terminal, and only if NO_COLOR is not set (no-color.org). */
export function paintFor(screen: Screen, environment: Readonly<Record<string, string | undefined>>): Paint {
  const isDeclined = (environment['NO_COLOR'] ?? '') !== '' || environment['TERM'] === 'dumb';
  const painted = (style: Style) => (text: string) =>
    screen.isTTY === true && !isDeclined ? `${markOf(style, 'on')}${text}${markOf(style, 'off')}` : text;
  return {
    strong: painted('bold'),
    faint: painted('dim'),
    good: painted('green'),
    warn: painted('yellow'),
    bad: painted('red'),
  };
}

export function warningLine(text: string, paint: Paint): string {
  return `${paint.warn('warning')}: ${text}\n`;
}

/** Control characters of labels, names and messages could move the cursor or change colours. Line breaks stay. */
export function printable(text: string): string {
  return text.replace(UNPRINTABLE, (character) => (character === '\n' ? '\n' : '?'));
}

/** Parsing it gives the original text. */
export function printableJson(json: string): string {
  return json.replace(UNPRINTABLE, (character) => (character === '\n' ? '\n' : inEscapes(character)));
}

/** `\u009b`; two of them beyond U+FFFF. */
function inEscapes(character: string): string {
  return Array.from({ length: character.length }, (_, index) => character.charCodeAt(index))
    .map((unit) => `\\u${unit.toString(16).padStart(4, '0')}`)
    .join('');
}

const UNPRINTABLE = /[\p{Cc}\p{Cf}]/gu;

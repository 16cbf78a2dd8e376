import { styleText } from 'node:util';
import type { Screen } from '../process-io.ts';

/** Colours for a terminal. Every member gives the text unchanged where there is none. */
export interface Paint {
  readonly strong: (text: string) => string;
  readonly faint: (text: string) => string;
  readonly good: (text: string) => string;
  readonly warn: (text: string) => string;
  readonly bad: (text: string) => string;
}

/** No colours anywhere but on a terminal, and none where somebody declined them (no-color.org). */
export function paintFor(screen: Screen, environment: Readonly<Record<string, string | undefined>>): Paint {
  const isDeclined = (environment['NO_COLOR'] ?? '') !== '' || environment['TERM'] === 'dumb';
  const painted = (style: 'bold' | 'dim' | 'green' | 'yellow' | 'red') => (text: string) =>
    screen.isTTY === true && !isDeclined ? styleText(style, text, { validateStream: false }) : text;
  return {
    strong: painted('bold'),
    faint: painted('dim'),
    good: painted('green'),
    warn: painted('yellow'),
    bad: painted('red'),
  };
}

/**
 * Text of others (labels, names, messages of AWS) without control characters, which could move the cursor or recolour
 * what stands around it. Line breaks stay.
 */
export function printable(text: string): string {
  return text.replace(UNPRINTABLE, (character) => (character === '\n' ? '\n' : '?'));
}

/** The same for JSON, where each has an escape: what is parsed from it stays as it is. */
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

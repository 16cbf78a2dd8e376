import { styleText } from 'node:util';
import type { Screen } from '../process-io.ts';

/** Colours for a terminal. Without colours, every member returns the text unchanged. */
export interface Paint {
  readonly strong: (text: string) => string;
  readonly faint: (text: string) => string;
  readonly good: (text: string) => string;
  readonly warn: (text: string) => string;
  readonly bad: (text: string) => string;
}

/** Colours only on a terminal, and only if NO_COLOR is not set (no-color.org). */
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
 * Removes control characters from external text (labels, names, messages of AWS), because they could move the cursor or
 * change colours. Line breaks stay.
 */
export function printable(text: string): string {
  return text.replace(UNPRINTABLE, (character) => (character === '\n' ? '\n' : '?'));
}

/** Escapes control characters in JSON. Parsing it gives the original text. */
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

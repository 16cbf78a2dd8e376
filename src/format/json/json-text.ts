import { KeyRotationError } from '../error.ts';

/** Each level of JSON in a string of JSON doubles its quotes: no application writes so many. */
export const MOST_LEVELS = 32;

const BACKSLASH = 0x5c;

/** The first character that is not white space of JSON; none for a text without any. */
export function firstOfJson(text: string): string {
  return text.charAt(text.search(/[^ \t\r\n]/));
}

/** Where the string ends that begins at `start` with its quote. `json` must be one for `JSON.parse`. */
export function endOfString(json: string, start: number): number {
  for (let end = json.indexOf('"', start + 1); end >= 0; end = json.indexOf('"', end + 1)) {
    let first = end;
    while (json.charCodeAt(first - 1) === BACKSLASH) first -= 1;
    if ((end - first) % 2 === 0) return end + 1;
  }
  return json.length;
}

/**
 * The innermost object or string of a JSON text whose strings hold JSON again, and the text of it. A text that is not
 * an object or string in JSON stands for itself. Throws `INVALID_CIPHERTEXT` for more than `MOST_LEVELS` levels.
 */
export function innermostJson(text: string): { readonly text: string; readonly value: unknown } {
  let inner = text;
  for (let level = 0; ; level += 1) {
    const first = firstOfJson(inner);
    if (first !== '"' && first !== '{') return { text: inner, value: inner };
    if (level === MOST_LEVELS) throw tooDeep();
    let value: unknown;
    try {
      value = JSON.parse(inner);
    } catch {
      return { text: inner, value: inner };
    }
    if (typeof value !== 'string') return { text: inner, value };
    inner = value;
  }
}

function tooDeep(): KeyRotationError {
  return new KeyRotationError(
    'INVALID_CIPHERTEXT',
    `A JSON value holds JSON in strings of JSON, more than ${MOST_LEVELS} levels deep. Nothing that was written as a ` +
      'ciphertext is so.',
  );
}

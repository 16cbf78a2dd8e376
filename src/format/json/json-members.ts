import { endOfString } from './json-text.ts';

interface JsonMember {
  readonly name: string;
  /** Of an object or array, only the opening bracket. */
  readonly text: string;
  readonly start: number;
}

/**
 * The members in the order of the text, without those of nested objects. `json` must be an object for `JSON.parse`.
 * Read by hand: a regular expression keeps something for each escape of a string, and runs out of stack.
 */
export function jsonMembers(json: string): readonly JsonMember[] {
  const members: JsonMember[] = [];
  let depth = 0;
  let string = { start: 0, end: 0 };
  let name: string | undefined;
  for (let start = 0, end; start < json.length; start = end) {
    const character = json.charAt(start);
    if (character === '"') end = endOfString(json, start);
    else end = name === undefined ? start + 1 : endOfOther(json, start);
    if (SPACE.includes(character)) continue;
    if (name !== undefined) members.push({ name, text: json.slice(start, end), start });
    name = undefined;
    if (character === '"') string = depth === 1 ? { start, end } : string;
    else if (character === '{' || character === '[') depth += 1;
    else if (character === '}' || character === ']') depth -= 1;
    else if (character === ':' && depth === 1) name = String(JSON.parse(json.slice(string.start, string.end)));
  }
  return members;
}

const SPACE = ' \t\r\n';

/** Where a number, `true`, `false` or `null` ends; of anything else, its first character. */
function endOfOther(json: string, start: number): number {
  let end = start + 1;
  if ('{['.includes(json.charAt(start)) || SPACE.includes(json.charAt(start))) return end;
  while (end < json.length && !AFTER_VALUE.includes(json.charAt(end))) end += 1;
  return end;
}

const AFTER_VALUE = `,}]${SPACE}`;

/**
 * Replaces the values of the named members, except objects, arrays and those whose new value is `undefined`. Every
 * other character stays: parsing and writing again would round large numbers, reorder names like "1" and lose the
 * layout.
 */
export function withJsonValues(json: string, values: ReadonlyMap<string, string | number | undefined>): string {
  let result = '';
  let copied = 0;
  for (const { name, text, start } of jsonMembers(json)) {
    const value = values.get(name);
    if (value === undefined || text === '{' || text === '[') continue;
    result += json.slice(copied, start) + JSON.stringify(value);
    copied = start + text.length;
  }
  return result + json.slice(copied);
}

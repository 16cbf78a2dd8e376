interface JsonMember {
  readonly name: string;
  /** Of an object or array, only the opening bracket. */
  readonly text: string;
  readonly start: number;
}

/** Strings, punctuation, and everything between them (numbers, true, false, null). */
const TOKENS = /"[^"\\]*(?:\\.[^"\\]*)*"|[{}[\],:]|[^\s"{}[\],:]+/g;

/** The members in the order of the text, without those of nested objects. `json` must be an object for `JSON.parse`. */
export function jsonMembers(json: string): readonly JsonMember[] {
  const members: JsonMember[] = [];
  let depth = 0;
  let previous = '';
  let name: string | undefined;
  for (const { 0: token, index } of json.matchAll(TOKENS)) {
    if (name !== undefined) members.push({ name, text: token, start: index });
    name = token === ':' && depth === 1 ? String(JSON.parse(previous)) : undefined;
    if (token === '{' || token === '[') depth += 1;
    if (token === '}' || token === ']') depth -= 1;
    previous = token;
  }
  return members;
}

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

/** What a template, a policy or an event is made of. */
export type Json = null | boolean | number | string | readonly Json[] | JsonObject;

export interface JsonObject {
  readonly [key: string]: Json;
}

export function isObject(json: Json | undefined): json is JsonObject {
  return typeof json === 'object' && json !== null && !isList(json);
}

export function isList(json: Json | undefined): json is readonly Json[] {
  return Array.isArray(json);
}

export function object(json: Json | undefined): JsonObject {
  if (isObject(json)) return json;
  throw new Error(`expected an object, found ${JSON.stringify(json)}`);
}

export function list(json: Json | undefined): readonly Json[] {
  if (isList(json)) return json;
  throw new Error(`expected a list, found ${JSON.stringify(json)}`);
}

export function text(json: Json | undefined): string {
  if (typeof json === 'string') return json;
  throw new Error(`expected a text, found ${JSON.stringify(json)}`);
}

/** What a policy may write as one value or as a list of them. */
export function texts(json: Json | undefined): readonly string[] {
  return isList(json) ? json.map(text) : [text(json)];
}

/** A plain value as CloudFormation spells it where it wants a text. */
export function spelled(json: Json | undefined): string {
  return typeof json === 'string' ? json : JSON.stringify(json);
}

/** The value below these keys. Nothing where a key is missing. */
export function at(json: Json | undefined, ...keys: readonly string[]): Json | undefined {
  return keys.reduce<Json | undefined>((found, key) => (isObject(found) ? found[key] : undefined), json);
}

/** Throws a SyntaxError where the text is no JSON. */
export function parseJson(json: string): Json {
  const value: unknown = JSON.parse(json);
  return fromUnknown(value);
}

function fromUnknown(value: unknown): Json {
  if (value === null || typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean') {
    return value;
  }
  if (Array.isArray(value)) return value.map(fromUnknown);
  if (typeof value === 'object') {
    return Object.fromEntries(Object.entries(value).map(([key, member]): [string, Json] => [key, fromUnknown(member)]));
  }
  throw new Error(`no JSON value: ${typeof value}`);
}

import { readFileSync } from 'node:fs';
import { isMap, isScalar, isSeq, parseDocument } from 'yaml';
import { object, type Json, type JsonObject } from './json.ts';

/** template.yaml with CloudFormation's short forms (`!Ref`) written out (`{ Ref: … }`). */
export const TEMPLATE: JsonObject = object(toJson(parseDocument(readFileSync('template.yaml', 'utf8')).contents));

function toJson(node: unknown): Json {
  if (isMap(node)) {
    const entries = node.items.map(({ key, value }): [string, Json] => [keyOf(key), toJson(value)]);
    return tagged(node.tag, Object.fromEntries(entries));
  }
  if (isSeq(node)) return tagged(node.tag, node.items.map(toJson));
  if (isScalar(node)) return tagged(node.tag, plain(node.value));
  if (node === null) return null;
  throw new Error(`the template uses a form of YAML that CloudFormation does not know: ${JSON.stringify(node)}`);
}

function keyOf(key: unknown): string {
  if (isScalar(key) && typeof key.value === 'string') return key.value;
  throw new Error(`a key is no text: ${JSON.stringify(key)}`);
}

function plain(value: unknown): Json {
  if (value === null || typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean') {
    return value;
  }
  throw new Error(`no value for CloudFormation: ${typeof value}`);
}

function tagged(tag: string | undefined, value: Json): Json {
  if (tag === undefined || !/^![A-Z]/.test(tag)) return value;
  const name = tag.slice(1);
  if (name === 'Ref' || name === 'Condition') return { [name]: value };
  return { [`Fn::${name}`]: name === 'GetAtt' && typeof value === 'string' ? value.split('.') : value };
}

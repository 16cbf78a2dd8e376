import { isJsonObject, type JsonObject } from './json.ts';
import type {
  Rotation,
  RotationRules,
  Secret,
  SecretValue,
  SecretVersion,
  ServiceState,
  Tag,
} from './service/state.ts';
import { allVersions } from './service/version-archive.ts';
import { withoutMember } from './service/without-member.ts';

/** What a state file holds besides its marks. */
export interface SavedState {
  /** How far the service's clock was ahead of the real one, so that time does not run backwards after a restart. */
  readonly clockOffset: number;
  readonly state: ServiceState;
}

/** The first member of every state file: distinguishes it from any other JSON. */
const FORMAT = 'pazpaz-local-secrets-manager';
const VERSION = 1;

export function stateFileText({ clockOffset, state }: SavedState): string {
  const secrets = Object.values(state.secrets).map((secret): [string, Secret] => [secret.arn, withoutArchive(secret)]);
  const content = { format: FORMAT, version: VERSION, clockOffset, state: { secrets: Object.fromEntries(secrets) } };
  return `${JSON.stringify(content)}\n`;
}

/** The archive is a matter of memory: a file holds all versions in one place. */
function withoutArchive(secret: Secret): Secret {
  if (secret.archive === undefined) return secret;
  return { ...withoutMember(secret, 'archive'), versions: Object.fromEntries(allVersions(secret)) };
}

/**
 * Reads a state file's text. Every member is checked: the service trusts its state everywhere else.
 *
 * @throws {RangeError} that says what is wrong, never with a value out of the file.
 */
export function parseStateFile(text: string): SavedState {
  let content: unknown;
  try {
    content = JSON.parse(text);
  } catch {
    // The parser's own message quotes the text, which may be a key.
    throw new RangeError('it is not JSON (damaged, or cut off)');
  }
  if (!isJsonObject(content) || content['format'] !== FORMAT) {
    throw new RangeError('it is no state file of the local Secrets Manager');
  }
  if (content['version'] !== VERSION) {
    throw new RangeError(`its version is not ${VERSION}: another release of the local Secrets Manager wrote it`);
  }
  const state = object(content, 'state', 'state');
  const secrets = Object.entries(object(state, 'secrets', 'state.secrets'));
  return {
    clockOffset: number(content, 'clockOffset', 'clockOffset'),
    state: { secrets: Object.fromEntries(secrets.map(([arn, value]) => [arn, secret(value, `secret ${arn}`)])) },
  };
}

function secret(value: unknown, at: string): Secret {
  const from = anObject(value, at);
  const deletion = from['deletion'];
  return {
    arn: string(from, 'arn', at),
    name: string(from, 'name', at),
    ...optional(from, 'description', at, string),
    ...optional(from, 'kmsKeyId', at, string),
    tags: array(from, 'tags', at).map((tag): Tag => {
      const member = anObject(tag, `${at}: tags`);
      return { Key: string(member, 'Key', at), Value: string(member, 'Value', at) };
    }),
    ...(from['hadTags'] === true ? { hadTags: true } : {}),
    ...optional(from, 'resourcePolicy', at, string),
    createdDate: number(from, 'createdDate', at),
    lastChangedDate: number(from, 'lastChangedDate', at),
    ...optional(from, 'lastAccessedDate', at, number),
    ...(deletion === undefined
      ? {}
      : {
          deletion: {
            deletedDate: number(anObject(deletion, at), 'deletedDate', at),
            deletesAt: number(anObject(deletion, at), 'deletesAt', at),
          },
        }),
    ...(from['rotation'] === undefined ? {} : { rotation: rotation(object(from, 'rotation', at), at) }),
    versions: Object.fromEntries(
      Object.entries(object(from, 'versions', at)).map(([id, version]) => [id, versionOf(version, `${at}: ${id}`)]),
    ),
  };
}

function versionOf(value: unknown, at: string): SecretVersion {
  const from = anObject(value, at);
  return {
    ...(from['value'] === undefined ? {} : { value: secretValue(object(from, 'value', at), at) }),
    stages: array(from, 'stages', at).map((stage) => string({ stage }, 'stage', at)),
    createdDate: number(from, 'createdDate', at),
    ...optional(from, 'lastAccessedDate', at, number),
    ...optional(from, 'kmsKeyId', at, string),
  };
}

function secretValue(from: JsonObject, at: string): SecretValue {
  if (from['kind'] === 'string') return { kind: 'string', text: string(from, 'text', at) };
  if (from['kind'] === 'binary') return { kind: 'binary', base64: string(from, 'base64', at) };
  throw wrong(at, 'kind');
}

function rotation(from: JsonObject, at: string): Rotation {
  const enabled = from['enabled'];
  if (typeof enabled !== 'boolean') throw wrong(at, 'enabled');
  const underWay = from['underWay'];
  return {
    enabled,
    lambdaArn: string(from, 'lambdaArn', at),
    rules: rules(object(from, 'rules', at), at),
    ...optional(from, 'lastRotatedDate', at, number),
    ...optional(from, 'nextRotationDate', at, number),
    ...(underWay === undefined ? {} : { underWay: rotationUnderWay(object(from, 'underWay', at), at) }),
  };
}

function rules(from: JsonObject, at: string): RotationRules {
  return {
    ...optional(from, 'AutomaticallyAfterDays', at, number),
    ...optional(from, 'ScheduleExpression', at, string),
    ...optional(from, 'Duration', at, string),
  };
}

function rotationUnderWay(from: JsonObject, at: string): NonNullable<Rotation['underWay']> {
  const kind = from['kind'];
  if (kind !== 'rotation' && kind !== 'test') throw wrong(at, 'kind');
  return { token: string(from, 'token', at), kind, attempts: number(from, 'attempts', at) };
}

type Reader<T> = (from: JsonObject, name: string, at: string) => T;

function optional<Name extends string, T>(
  from: JsonObject,
  name: Name,
  at: string,
  read: Reader<T>,
): Partial<Record<Name, T>> {
  const result: Partial<Record<Name, T>> = {};
  if (from[name] !== undefined) result[name] = read(from, name, at);
  return result;
}

function string(from: JsonObject, name: string, at: string): string {
  const value = from[name];
  if (typeof value !== 'string') throw wrong(at, name);
  return value;
}

function number(from: JsonObject, name: string, at: string): number {
  const value = from[name];
  if (typeof value !== 'number') throw wrong(at, name);
  return value;
}

function array(from: JsonObject, name: string, at: string): readonly unknown[] {
  const value: unknown = from[name];
  if (!Array.isArray(value)) throw wrong(at, name);
  return value;
}

function object(from: JsonObject, name: string, at: string): JsonObject {
  const value = from[name];
  if (!isJsonObject(value)) throw wrong(at, name);
  return value;
}

function anObject(value: unknown, at: string): JsonObject {
  return object({ value }, 'value', at);
}

function wrong(at: string, name: string): RangeError {
  return new RangeError(`${at}: ${name} is missing or of the wrong kind`);
}

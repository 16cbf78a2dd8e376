import { LAST_MOMENT } from './clock.ts';
import { isJsonObject, type JsonObject } from './json.ts';
import { regionOf } from './service/regions.ts';
import type {
  Replica,
  Rotation,
  RotationRules,
  RotationUnderWay,
  Secret,
  SecretValue,
  SecretVersion,
  ServiceState,
  Tag,
} from './service/state.ts';
import { allVersions } from './service/version-archive.ts';
import { withoutMember } from './service/without-member.ts';

export interface SavedState {
  /** So that time does not run backwards after a restart. */
  readonly clockOffset: number;
  readonly state: ServiceState;
}

/** Distinguishes a state file from any other JSON. */
const FORMAT = 'pazpaz-local-secrets-manager';
const VERSION = 1;

export function stateFileText({ clockOffset, state }: SavedState): string {
  const secrets = Object.values(state.secrets).map((secret): [string, Secret] => [secret.arn, withoutArchive(secret)]);
  const content = { format: FORMAT, version: VERSION, clockOffset, state: { secrets: Object.fromEntries(secrets) } };
  return `${JSON.stringify(content)}\n`;
}

/** A file holds all versions in one place. */
function withoutArchive(secret: Secret): Secret {
  if (secret.archive === undefined) return secret;
  return { ...withoutMember(secret, 'archive'), versions: Object.fromEntries(allVersions(secret)) };
}

/** Checks every member. An unknown one is refused: the next save would lose it. Errors never show a value. */
export function parseStateFile(text: string): SavedState {
  let content: unknown;
  try {
    content = JSON.parse(text);
  } catch {
    // The parser's own message quotes the text, which may be a key.
    throw new RangeError('it is not JSON (damaged, or cut off)');
  }
  if (!isJsonObject(content) || content['format'] !== FORMAT) {
    throw new RangeError('it is not a state file of the local Secrets Manager');
  }
  if (content['version'] !== VERSION) {
    throw new RangeError(`its version is not ${VERSION}: another release of the local Secrets Manager wrote it`);
  }
  const state = object(content, 'state', 'state');
  const entries = Object.entries(object(state, 'secrets', 'state.secrets'));
  const secrets = entries.map(([arn, value]): [string, Secret] => [arn, secret(value, `secret ${arn}`)]);
  requireConsistency(secrets);
  const clockOffset = number(content, 'clockOffset', 'clockOffset');
  if (Math.abs(clockOffset) > LAST_MOMENT) throw wrong('clockOffset', 'the moment');
  return { clockOffset, state: { secrets: Object.fromEntries(secrets) } };
}

function requireConsistency(secrets: readonly (readonly [string, Secret])[]): void {
  const names = new Set<string>();
  for (const [key, { arn, name, versions }] of secrets) {
    if (key !== arn) throw new RangeError(`secret ${key} has another ARN`);
    const nameInRegion = `${regionOf(arn)} ${name}`;
    if (names.has(nameInRegion)) throw new RangeError(`secret ${arn} has the name of another one`);
    names.add(nameInRegion);
    const labels = Object.values(versions).flatMap(({ stages }) => stages);
    if (new Set(labels).size < labels.length) throw new RangeError(`secret ${arn} has a staging label on two versions`);
  }
}

/** The compiler requires each member of a type here, so that none is forgotten. */
type Members<T> = Readonly<Record<keyof T, true>>;

const SECRET: Members<Omit<Secret, 'archive' | 'primaryRegion'>> = {
  ...{ arn: true, name: true, description: true, kmsKeyId: true, tags: true, hadTags: true, resourcePolicy: true },
  ...{ createdDate: true, lastChangedDate: true, lastAccessedDate: true, deletion: true, rotation: true },
  ...{ replicas: true, versions: true },
};
const VERSION_MEMBERS: Members<SecretVersion> = {
  ...{ value: true, stages: true, createdDate: true, lastAccessedDate: true, kmsKeyId: true },
};
const REPLICA: Members<Replica> = {
  ...{ region: true, kmsKeyId: true, status: true, statusMessage: true, lastAccessedDate: true },
};
const ROTATION: Members<Rotation> = {
  ...{ enabled: true, lambdaArn: true, rules: true, lastRotatedDate: true, nextRotationDate: true, underWay: true },
};
const RULES: Members<RotationRules> = { AutomaticallyAfterDays: true, ScheduleExpression: true, Duration: true };
const UNDER_WAY: Members<RotationUnderWay> = { token: true, kind: true, attempts: true };

function secret(value: unknown, at: string): Secret {
  const from = anObject(value, at, SECRET);
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
    createdDate: moment(from, 'createdDate', at),
    lastChangedDate: moment(from, 'lastChangedDate', at),
    ...optional(from, 'lastAccessedDate', at, moment),
    ...(deletion === undefined
      ? {}
      : {
          deletion: {
            deletedDate: moment(anObject(deletion, at), 'deletedDate', at),
            deletesAt: moment(anObject(deletion, at), 'deletesAt', at),
          },
        }),
    ...(from['rotation'] === undefined ? {} : { rotation: rotation(from['rotation'], at) }),
    ...(from['replicas'] === undefined ? {} : { replicas: array(from, 'replicas', at).map((one) => replica(one, at)) }),
    versions: Object.fromEntries(
      Object.entries(object(from, 'versions', at)).map(([id, version]) => [id, versionOf(version, `${at}: ${id}`)]),
    ),
  };
}

function replica(value: unknown, at: string): Replica {
  const from = anObject(value, `${at}: replicas`, REPLICA);
  const status = from['status'];
  if (status !== 'InSync' && status !== 'Failed') throw wrong(at, 'status');
  return {
    region: string(from, 'region', at),
    ...optional(from, 'kmsKeyId', at, string),
    status,
    ...optional(from, 'statusMessage', at, string),
    ...optional(from, 'lastAccessedDate', at, moment),
  };
}

function versionOf(value: unknown, at: string): SecretVersion {
  const from = anObject(value, at, VERSION_MEMBERS);
  return {
    ...(from['value'] === undefined ? {} : { value: secretValue(object(from, 'value', at), at) }),
    stages: array(from, 'stages', at).map((stage) => string({ stage }, 'stage', at)),
    createdDate: moment(from, 'createdDate', at),
    ...optional(from, 'lastAccessedDate', at, moment),
    ...optional(from, 'kmsKeyId', at, string),
  };
}

function secretValue(from: JsonObject, at: string): SecretValue {
  if (from['kind'] === 'string') return { kind: 'string', text: string(from, 'text', at) };
  if (from['kind'] === 'binary') return { kind: 'binary', base64: string(from, 'base64', at) };
  throw wrong(at, 'kind');
}

function rotation(value: unknown, at: string): Rotation {
  const from = anObject(value, `${at}: rotation`, ROTATION);
  const enabled = from['enabled'];
  if (typeof enabled !== 'boolean') throw wrong(at, 'enabled');
  const underWay = from['underWay'];
  return {
    enabled,
    lambdaArn: string(from, 'lambdaArn', at),
    rules: rules(from['rules'], at),
    ...optional(from, 'lastRotatedDate', at, moment),
    ...optional(from, 'nextRotationDate', at, moment),
    ...(underWay === undefined ? {} : { underWay: rotationUnderWay(underWay, at) }),
  };
}

function rules(value: unknown, at: string): RotationRules {
  const from = anObject(value, `${at}: rules`, RULES);
  return {
    ...optional(from, 'AutomaticallyAfterDays', at, number),
    ...optional(from, 'ScheduleExpression', at, string),
    ...optional(from, 'Duration', at, string),
  };
}

function rotationUnderWay(value: unknown, at: string): RotationUnderWay {
  const from = anObject(value, `${at}: underWay`, UNDER_WAY);
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
  // 1e999 is JSON, and Infinity.
  if (!Number.isFinite(value)) throw wrong(at, name);
  return Number(value);
}

/** Milliseconds since 1970 that a date can name. */
function moment(from: JsonObject, name: string, at: string): number {
  const value = number(from, name, at);
  if (value < 0 || value > LAST_MOMENT) throw wrong(at, name);
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

function anObject(value: unknown, at: string, members?: Readonly<Record<string, true>>): JsonObject {
  const read = object({ value }, 'value', at);
  const unknown = members === undefined ? undefined : Object.keys(read).find((name) => !Object.hasOwn(members, name));
  if (unknown === undefined) return read;
  throw new RangeError(`${at} has a member '${unknown}' that this release does not know`);
}

function wrong(at: string, name: string): RangeError {
  return new RangeError(`${at}: ${name} is missing or of the wrong kind`);
}

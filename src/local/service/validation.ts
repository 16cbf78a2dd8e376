/// <reference lib="es2024.string" />
import type { ServiceError } from './service-error.ts';
import { validationFailed, wrongType } from './service-error.ts';

/** How to read a JSON value, and a placeholder for one that broke a constraint, which no operation sees. */
export interface Shape<T> {
  readonly read: (value: unknown, path: string, violations: string[]) => T;
  readonly placeholder: T;
}

/** `undefined` stays `undefined` for an optional member. */
export type MemberReader = <T>(name: string, member: Member<T>) => T;

export interface Member<T> {
  readonly read: (value: unknown, path: string, violations: string[]) => T;
}

export interface StringLimits {
  readonly min?: number;
  readonly max?: number;
  /** As the model writes it; the whole string has to match. */
  readonly pattern?: string;
  readonly values?: readonly string[];
  /** The message leaves out sensitive values. */
  readonly sensitive?: boolean;
  /** The quota of a secret's value is in bytes, all other lengths are in characters. */
  readonly unit?: 'characters' | 'bytes';
}

export function text(limits: StringLimits = {}): Shape<string> {
  const { min, max, values, sensitive = false, unit = 'characters' } = limits;
  const pattern = limits.pattern === undefined ? undefined : new RegExp(`^(?:${limits.pattern})$`);
  return {
    placeholder: '',
    read: (value, path, violations) => {
      if (typeof value !== 'string') throw wrongType(cannotBecome(value, 'String'));
      // Half of a surrogate pair has no bytes in UTF-8: what is read back would be another text.
      if (!value.isWellFormed()) throw wrongType('');
      const found = (constraint: string): void => {
        violations.push(violation(sensitive ? undefined : value, path, constraint));
      };
      const length = lengthOf(value, unit, max);
      if (min !== undefined && value.length < min) found(tooShort(min));
      if (max !== undefined && length > max) found(tooLong(max));
      if (values !== undefined && !values.includes(value)) found(`satisfy enum value set: [${values.join(', ')}]`);
      if (pattern?.test(value) === false) found(`satisfy regular expression pattern: ${limits.pattern ?? ''}`);
      return value;
    },
  };
}

/** Returns the bytes in canonical base64. */
export function blob(limits: { readonly min: number; readonly max: number }): Shape<string> {
  return {
    placeholder: '',
    read: (value, path, violations) => {
      if (typeof value !== 'string') throw wrongType(cannotBecome(value, 'Blob'));
      const bytes = Buffer.from(value, 'base64');
      const canonical = bytes.toString('base64');
      // That the service refuses base64 with other characters is certain; its words are on no record.
      if (canonical.replace(/=+$/, '') !== value.replace(/=+$/, '')) throw wrongType('Blobs must be base64 encoded');
      if (bytes.length < limits.min) violations.push(violation(undefined, path, tooShort(limits.min)));
      if (bytes.length > limits.max) violations.push(violation(undefined, path, tooLong(limits.max)));
      return canonical;
    },
  };
}

export function integer(limits: { readonly min?: number; readonly max?: number } = {}): Shape<number> {
  const { min, max } = limits;
  return {
    placeholder: 0,
    read: (value, path, violations) => {
      if (typeof value !== 'number') throw wrongType(cannotBecome(value, 'Long'));
      const whole = Math.trunc(value);
      if (min !== undefined && whole < min) {
        violations.push(violation(String(whole), path, `have value greater than or equal to ${min}`));
      }
      if (max !== undefined && whole > max) {
        violations.push(violation(String(whole), path, `have value less than or equal to ${max}`));
      }
      return whole;
    },
  };
}

export const boolean: Shape<boolean> = {
  placeholder: false,
  read: (value) => {
    if (typeof value !== 'boolean') throw wrongType(cannotBecome(value, 'Boolean'));
    return value;
  },
};

export function list<T>(
  member: Shape<T>,
  limits: { readonly min?: number; readonly max?: number } = {},
): Shape<readonly T[]> {
  const { min, max } = limits;
  return {
    placeholder: [],
    read: (value, path, violations) => {
      if (!Array.isArray(value)) throw wrongType(isStructure(value) ? UNEXPECTED_START : cannotBecome(value, 'List'));
      const elements: readonly unknown[] = value;
      if (min !== undefined && elements.length < min) violations.push(violation(shown(elements), path, tooShort(min)));
      if (max !== undefined && elements.length > max) violations.push(violation(shown(elements), path, tooLong(max)));
      return elements.map((element, index) => member.read(element, `${path}.${index + 1}.member`, violations));
    },
  };
}

export function structure<T>(build: (member: MemberReader) => T): Shape<T> {
  const read: Shape<T>['read'] = (value, path, violations) => {
    if (!isStructure(value))
      throw wrongType(Array.isArray(value) ? UNEXPECTED_START : cannotBecome(value, 'Structure'));
    return build((name, member) =>
      member.read(value[name] ?? undefined, `${path}${path === '' ? '' : '.'}${inLowerCase(name)}`, violations),
    );
  };
  return { read, placeholder: read({}, '', []) };
}

export function optional<T>(shape: Shape<T>): Member<T | undefined> {
  return {
    read: (value, path, violations) => (value === undefined ? undefined : shape.read(value, path, violations)),
  };
}

export function required<T>(shape: Shape<T>): Member<T> {
  return {
    read: (value, path, violations) => {
      if (value !== undefined) return shape.read(value, path, violations);
      violations.push(`Value null at '${path}' failed to satisfy constraint: Member must not be null`);
      return shape.placeholder;
    },
  };
}

/** Throws `SerializationException` for another type, `ValidationException` with all broken constraints. */
export function readInput<T>(shape: Shape<T>, input: unknown): T {
  const violations: string[] = [];
  const request = shape.read(input, '', violations);
  if (violations.length > 0) throw refusal(violations);
  return request;
}

function refusal(violations: readonly string[]): ServiceError {
  const count = violations.length === 1 ? '1 validation error' : `${violations.length} validation errors`;
  return validationFailed(`${count} detected: ${violations.join('; ')}`);
}

function violation(value: string | undefined, path: string, constraint: string): string {
  const what = value === undefined ? 'Value' : `Value '${value}'`;
  return `${what} at '${path}' failed to satisfy constraint: Member must ${constraint}`;
}

function tooShort(min: number): string {
  return `have length greater than or equal to ${min}`;
}

function tooLong(max: number): string {
  return `have length less than or equal to ${max}`;
}

function lengthOf(value: string, unit: 'characters' | 'bytes', max: number | undefined): number {
  // UTF-8 takes at most three bytes for a UTF-16 unit: short strings need no counting.
  if (unit === 'characters' || max === undefined || value.length * 3 <= max) return value.length;
  return Buffer.byteLength(value, 'utf8');
}

function inLowerCase(name: string): string {
  return name.charAt(0).toLowerCase() + name.slice(1);
}

function shown(elements: readonly unknown[]): string {
  return `[${elements.map((element) => (typeof element === 'string' ? element : JSON.stringify(element))).join(', ')}]`;
}

function isStructure(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

const UNEXPECTED_START = 'Start of structure or map found where not expected.';

/** Recorded of several AWS JSON services, of Secrets Manager only in part. */
function cannotBecome(value: unknown, type: string): string {
  if (Array.isArray(value) || isStructure(value)) return UNEXPECTED_START;
  return `${jsonTypeOf(value)}_VALUE can not be converted to a ${type}`;
}

function jsonTypeOf(value: unknown): string {
  if (typeof value === 'boolean') return value ? 'TRUE' : 'FALSE';
  if (typeof value === 'number') return 'NUMBER';
  return typeof value === 'string' ? 'STRING' : 'NULL';
}

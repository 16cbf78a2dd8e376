import type { Secret } from '../../../src/local/service/state.ts';

/** An invariant is broken. */
export class Violation extends Error {}

/** The versions that have a label. */
export function withLabel(secret: Secret, label: string): string[] {
  return Object.entries(secret.versions).flatMap(([id, { stages }]) => (stages.includes(label) ? [id] : []));
}

/** Every label of a secret, beside its version. */
export function everyLabel(secret: Secret): readonly (readonly [string, string])[] {
  return Object.entries(secret.versions).flatMap(([id, { stages }]) => stages.map((label) => [id, label] as const));
}

/** The value of a version, where it is a text. */
export function valueOf(secret: Secret, versionId: string): string | undefined {
  const value = secret.versions[versionId]?.value;
  return value?.kind === 'string' ? value.text : undefined;
}

/** Whether a value is a key as the guide spells it. */
export function isKey(value: string | undefined): boolean {
  return value !== undefined && Buffer.from(value, 'base64').length === 32;
}

/** The number that a label gives, as it spells it. */
export function numberOf(label: string): string | undefined {
  return /^key-v([0-9]+)$/.exec(label)?.[1];
}

export function sorted<T>(record: Readonly<Record<string, T>>): Record<string, T> {
  return Object.fromEntries(Object.entries(record).sort(([a], [b]) => (a < b ? -1 : 1)));
}

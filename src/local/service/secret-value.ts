import type { SecretValue } from './state.ts';
import { invalidParameter } from './service-error.ts';

/** Base64 is in its canonical form. */
export interface ValueInput {
  readonly SecretString: string | undefined;
  readonly SecretBinary: string | undefined;
}

/** Throws `InvalidParameterException` for two values. (Documented; the wording is on no record.) */
export function valueOf({ SecretString, SecretBinary }: ValueInput): SecretValue | undefined {
  if (SecretString !== undefined && SecretBinary !== undefined) {
    throw invalidParameter(
      "You can't specify both a binary secret value and a string secret value in the same secret.",
    );
  }
  if (SecretString !== undefined) return { kind: 'string', text: SecretString };
  return SecretBinary === undefined ? undefined : { kind: 'binary', base64: SecretBinary };
}

export function isSameValue(one: SecretValue, other: SecretValue): boolean {
  if (one.kind === 'string') return other.kind === 'string' && one.text === other.text;
  return other.kind === 'binary' && one.base64 === other.base64;
}

export function valueMembers(value: SecretValue): { SecretString: string } | { SecretBinary: string } {
  return value.kind === 'string' ? { SecretString: value.text } : { SecretBinary: value.base64 };
}

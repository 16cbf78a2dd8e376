import { KeyRotationError } from '../format/error.ts';

export const STEPS = ['createSecret', 'setSecret', 'testSecret', 'finishSecret'] as const;

export type Step = (typeof STEPS)[number];

export interface RotationRequest {
  readonly step: Step;
  /** ARN or name. */
  readonly secretId: string;
  /** ClientRequestToken: the VersionId of the pending version. */
  readonly token: string;
  /** Proves to Secrets Manager that a put comes from its rotation. A secret: never logged. */
  readonly rotationToken: string | undefined;
}

/** Secrets Manager sets `Step` in every event of a rotation. */
export function isRotationEvent(event: unknown): event is Readonly<Record<string, unknown>> {
  return typeof event === 'object' && event !== null && 'Step' in event;
}

/**
 * Checks an event of Secrets Manager ('Lambda rotation functions': `Step`, `SecretId`, `ClientRequestToken` of 32 to 64
 * characters, and `RotationToken` where the function runs under another identity). Throws `UNKNOWN_STEP` or
 * `INVALID_EVENT`.
 */
export function toRotationRequest(event: Readonly<Record<string, unknown>>): RotationRequest {
  const step = STEPS.find((known) => known === event['Step']);
  if (step === undefined) {
    throw new KeyRotationError(
      'UNKNOWN_STEP',
      `Step must be one of ${STEPS.join(', ')}, got ${shown(event['Step'])}. Rotations are started with 'aws secretsmanager rotate-secret'.`,
    );
  }
  return {
    step,
    secretId: text(event, 'SecretId', 1, 2048),
    token: text(event, 'ClientRequestToken', 32, 64),
    rotationToken: rotationToken(event),
  };
}

/** As the service's model defines it. Anything else is not sent on: a refusal might quote it. */
function rotationToken(event: Readonly<Record<string, unknown>>): string | undefined {
  if (event['RotationToken'] === undefined || event['RotationToken'] === null) return undefined;
  const token = text(event, 'RotationToken', 36, 256);
  if (/^[a-zA-Z0-9-]+$/.test(token)) return token;
  throw new KeyRotationError(
    'INVALID_EVENT',
    "RotationToken must consist of letters, digits and hyphens, found other characters. Rotations are started with 'aws secretsmanager rotate-secret', which fills it in.",
  );
}

/** A message holds the name, length and type of a field, never its value. */
function text(event: Readonly<Record<string, unknown>>, field: string, min: number, max: number): string {
  const value = event[field];
  if (typeof value === 'string' && value.length >= min && value.length <= max) return value;
  const found = typeof value === 'string' ? `${value.length} characters` : shown(value);
  throw new KeyRotationError(
    'INVALID_EVENT',
    `${field} must be a text of ${min} to ${max} characters, got ${found}. Rotations are started with 'aws secretsmanager rotate-secret', which fills it in.`,
  );
}

/** The event is foreign input and may hold anything, so only a little of it is shown. */
function shown(value: unknown): string {
  if (value === undefined) return 'nothing';
  if (value === null) return 'null';
  return typeof value === 'string' ? `'${value.slice(0, 40)}'` : `a value of type ${typeof value}`;
}

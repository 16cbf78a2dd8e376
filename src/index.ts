export { decryptBytes, decryptField, encryptField, type DecryptOptions, type EncryptOptions } from './format/field.ts';
export { rowFromText } from './format/row-from-text.ts';
export { rowFromJson } from './format/row-from-json.ts';
export { KeyRing, type DecryptedField, type EncryptedField } from './keyring/key-ring.ts';
export type { KeyUsage } from './keyring/telemetry/key-usage.ts';
export type { RingInstrument, RingMeter, RingObservation } from './keyring/telemetry/ring-meter.ts';
export type { HealthError, KeyHealth, RingHealth } from './keyring/telemetry/ring-health.ts';
export { TestKeys } from './keyring/source/test-keys.ts';
export { MAX_KEY_AGE, type KeyRingOptions } from './keyring/options.ts';
export {
  loadSettings,
  type AwsSettings,
  type EnvironmentName,
  type EnvironmentSettings,
  type Settings,
} from './keyring/settings.ts';
export { KeyMaterial } from './format/key-material.ts';
export { toKeyNumber, type KeyNumber } from './format/key-number.ts';
export { isKeyRotationError, KeyRotationError, type ErrorCode, type LibraryErrorCode } from './format/error.ts';
export {
  APPLICATION_EVENTS,
  type ApplicationEvent,
  type ApplicationLogEntry,
  type ApplicationLogger,
} from './keyring/application-log.ts';
export type { NonceSource } from './format/nonce.ts';
export type { RingClock } from './keyring/clock.ts';
export type { SecretDescription, SecretSource, SecretVersion } from './keyring/source/secret-source.ts';

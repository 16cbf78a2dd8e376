export { encryptField } from './keyring/key-in-hand.ts';
export { decryptBytes, decryptField, type DecryptOptions, type EncryptOptions } from './keyring/field.ts';
export { rowFromText } from './keyring/row-from-text.ts';
export { KeyRing, type DecryptedField, type EncryptedField, type KeyUsage } from './keyring/key-ring.ts';
export { MAX_KEY_AGE, type KeyRingOptions } from './keyring/ring-options.ts';
export {
  loadSettings,
  type AwsSettings,
  type EnvironmentName,
  type EnvironmentSettings,
  type Settings,
} from './keyring/settings.ts';
export { KeyMaterial } from './keyring/key-material.ts';
export { toKeyNumber, type KeyNumber } from './keyring/key-number.ts';
export { isKeyRotationError, KeyRotationError, type ErrorCode } from './keyring/error.ts';
export {
  APPLICATION_EVENTS,
  type ApplicationEvent,
  type ApplicationLogEntry,
  type ApplicationLogger,
} from './keyring/application-log.ts';
export type { NonceSource } from './keyring/nonce.ts';
export type { RingClock } from './keyring/ring-clock.ts';
export type { SecretDescription, SecretSource, SecretVersion } from './keyring/secret-source.ts';

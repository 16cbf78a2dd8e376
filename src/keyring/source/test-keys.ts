import { randomBytes } from 'node:crypto';
import { KeyRotationError } from '../../format/error.ts';
import { numberingLabel, toKeyNumber, type KeyNumber } from '../../format/key-number.ts';
import type { SecretDescription, SecretSource, SecretVersion } from './secret-source.ts';

const ARN = 'arn:aws:secretsmanager:us-east-1:123456789012:secret:test-keys-AbCdEf';

/**
 * The keys of a ring in the memory of this process, for unit tests of code that encrypts: random, and gone when the
 * process ends. Key 1 is current at first. Several rings can share them.
 */
export class TestKeys implements SecretSource {
  readonly #values: string[] = [];

  constructor() {
    this.rotate();
  }

  /** Makes the next key current, as a rotation does. A ring sees it at its next `refresh`. Returns its number. */
  rotate(): KeyNumber {
    return toKeyNumber(this.#values.push(randomBytes(32).toString('base64')));
  }

  describe(): Promise<SecretDescription> {
    const last = this.#values.length;
    const stages = this.#values.map((_, index) => {
      const number = index + 1;
      const moving = number === last ? ['AWSCURRENT'] : number === last - 1 ? ['AWSPREVIOUS'] : [];
      return [versionId(number), [numberingLabel(toKeyNumber(number)), ...moving]] as const;
    });
    return Promise.resolve({ ARN, VersionIdsToStages: Object.fromEntries(stages) });
  }

  read(id: string): Promise<SecretVersion> {
    const value = this.#values.find((_, index) => versionId(index + 1) === id);
    return value === undefined
      ? Promise.reject(new KeyRotationError('KEY_UNAVAILABLE', `These test keys have no version ${id}.`))
      : Promise.resolve({ SecretString: value });
  }

  close(): void {
    // Other rings may share these keys.
  }
}

/** As AWS names versions: 32 to 64 characters. */
function versionId(number: number): string {
  return `00000000-0000-4000-8000-${String(number).padStart(12, '0')}`;
}

/** Throws `INVALID_SETTINGS` in a deployment: what test keys encrypt is lost with the process. */
export function refuseTestKeysOutsideTests(environment = process.env['ENVIRONMENT']): void {
  if (environment !== 'production' && environment !== 'staging') return;
  throw new KeyRotationError(
    'INVALID_SETTINGS',
    `KeyRing.forTest must not be used where ENVIRONMENT is ${environment}: its keys are gone when the process ends, and ` +
      'every row that they encrypted. Use KeyRing.open.',
  );
}

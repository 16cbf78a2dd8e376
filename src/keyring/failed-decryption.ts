import { KeyRotationError } from '../format/error.ts';
import { describeNumber } from '../format/field.ts';
import type { KeyNumber } from '../format/key-number.ts';
import type { RingLabels } from '../format/ring-labels.ts';

/** What is known when every attempt to open a row has failed. */
export interface FailedSearch {
  readonly number: KeyNumber | 0 | undefined;
  /** `undefined` where AWS has not described the secret yet. */
  readonly labels: RingLabels | undefined;
  /** Whether the ring was read in a region that holds a replica, which may lag behind. */
  readonly isReplica: boolean;
  /** Why keys of the ring that could have opened the row were not tried, by VersionId. */
  readonly unread: ReadonlyMap<string, KeyRotationError>;
  /** Why the ring could not be read just now, if it could not. */
  readonly stale: KeyRotationError | undefined;
}

/**
 * Says which of the four a failed decryption is: `TAMPERED_OR_WRONG_CONTEXT`, `KEY_RETIRED`, `KEY_NEVER_ISSUED` or
 * `KEY_UNAVAILABLE` (the only one to try again later); or `INVALID_KEY_VALUE` where the row's own key is no key. Where
 * a key that could have opened the row was not tried, nothing more than 'unavailable' is known.
 */
export function failedDecryption(search: FailedSearch): KeyRotationError {
  const { number, labels, unread, stale } = search;
  const row = `Decryption failed: the row ${describeNumber(number)}`;
  if (labels === undefined) return unavailable(row, stale);
  const versionId = number === undefined || number === 0 ? undefined : labels.versionOf.get(number);
  const own = versionId === undefined ? undefined : unread.get(versionId);
  if (own?.code === 'INVALID_KEY_VALUE') return new KeyRotationError('INVALID_KEY_VALUE', `${row}. ${own.message}`);
  if (own !== undefined) return unavailable(row, own);
  const other = [...unread.values()].find(({ code }) => code !== 'INVALID_KEY_VALUE');
  if (other !== undefined) return unavailable(`${row}, no key at hand opens it, and one was not tried`, other);
  if (versionId !== undefined) return tampered(`${row}, and neither that key nor another of the ring opens it.`);
  if (stale !== undefined) return unavailable(row, stale);
  if (number === undefined || number === 0) return tampered(`${row}, and no key of the ring opens it.`);
  if (number < labels.highestNumber) {
    return new KeyRotationError(
      'KEY_RETIRED',
      `${row}, which is not on the ring any more. The key was retired (restore brings it back while AWS still has ` +
        'the version), or the row is older data under a retired key that only looks numbered, or its bytes were changed.',
    );
  }
  if (search.isReplica) {
    return unavailable(
      `${row}, which this replica of the secret does not show yet (highest: ${labels.highestNumber})`,
      undefined,
    );
  }
  return new KeyRotationError(
    'KEY_NEVER_ISSUED',
    `${row}, but the highest number on the ring is ${labels.highestNumber}. The row comes from another ring (another ` +
      'environment?), or it is older data under a retired key that only looks numbered, or its bytes were changed.',
  );
}

/** The failure of a process that has the environment's key alone, and knows no ring. */
export function failedWithEnvironmentKey(number: KeyNumber | 0 | undefined): KeyRotationError {
  const row = `Decryption failed: the row ${describeNumber(number)}`;
  if (number === undefined || number === 0) return tampered(`${row}, and ENCRYPTION_MASTER_KEY does not open it.`);
  return new KeyRotationError(
    'KEY_NEVER_ISSUED',
    `${row}, but this process has ENCRYPTION_MASTER_KEY alone and knows no ring. Set AWS_REGION and ` +
      'SECRETS_MANAGER_KEY_NAME to read what a key ring wrote.',
  );
}

function tampered(what: string): KeyRotationError {
  return new KeyRotationError(
    'TAMPERED_OR_WRONG_CONTEXT',
    `${what} Its bytes or its context were changed (a row that was moved or restored to another place, a renamed ` +
      'table), or it was encrypted with a key that is not on the ring: one of ENCRYPTION_MASTER_KEY, which put ' +
      '--not-current adds, or a retired one.',
  );
}

function unavailable(what: string, why: KeyRotationError | undefined): KeyRotationError {
  return new KeyRotationError(
    'KEY_UNAVAILABLE',
    `${what}. It cannot be decrypted now; try again later.${why === undefined ? '' : ` ${why.message}`}`,
  );
}

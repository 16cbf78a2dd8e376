import { KeyRotationError } from '../format/error.ts';
import { describeNumber } from '../format/field.ts';
import type { KeyNumber } from '../format/key-number.ts';
import type { RingLabels } from '../format/ring-labels.ts';

/** Many applications store these, and their first bytes may look like a number. */
const OTHER_LAYOUT =
  ' Rows in another layout (iv ‖ tag ‖ ciphertext, hexadecimal, base64url) are not read: ' +
  'docs/from-create-cipheriv.md shows how to carry them over.';

export interface FailedSearch {
  readonly number: KeyNumber | 0 | undefined;
  readonly labels: RingLabels | undefined;
  readonly isReplica: boolean;
  /** The number is the next one, and a rotation may have given it after the last description. */
  readonly mayBeIssued: boolean;
  /** By VersionId: why keys that could have opened the row were not tried. */
  readonly unread: ReadonlyMap<string, KeyRotationError>;
  readonly stale: KeyRotationError | undefined;
}

/**
 * `TAMPERED_OR_WRONG_CONTEXT`, `KEY_RETIRED`, `KEY_NEVER_ISSUED`, `INVALID_KEY_VALUE` (the value of the row's key is
 * not a key), or `KEY_UNAVAILABLE` (the only one worth retrying): always that one while a possible key was not tried.
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
  if (other !== undefined) return unavailable(`${row}, no cached key opens it, and one key was not tried`, other);
  if (versionId !== undefined) return tampered(`${row}, and neither that key nor any other key of the ring opens it.`);
  if (stale !== undefined) return unavailable(row, stale);
  if (number === undefined || number === 0) return tampered(`${row}, and no key of the ring opens it.`);
  if (number < labels.highestNumber) {
    return new KeyRotationError(
      'KEY_RETIRED',
      `${row}, which is no longer on the ring. Either the key was retired (restore brings it back while AWS still ` +
        'has the version), or its label was lost (status says how to bring the key back), or the row is older data under a retired key that only looks numbered, or its bytes were ' +
        `changed.${OTHER_LAYOUT}`,
    );
  }
  if (search.isReplica || search.mayBeIssued) {
    const what = search.isReplica ? 'this replica of the secret' : "AWS's description of the secret";
    return unavailable(`${row}, which ${what} does not show yet (highest: ${labels.highestNumber})`, undefined);
  }
  return new KeyRotationError(
    'KEY_NEVER_ISSUED',
    `${row}, but the highest number on the ring is ${labels.highestNumber}. Either the row comes from another ` +
      'ring (another environment?), or it is older data under a retired key that only looks numbered, or its bytes ' +
      `were changed.${OTHER_LAYOUT}`,
  );
}

/** `numbers`: those of the environment's keys. */
export function failedWithEnvironmentKeys(
  number: KeyNumber | 0 | undefined,
  numbers: readonly number[],
): KeyRotationError {
  const row = `Decryption failed: the row ${describeNumber(number)}`;
  if (number === undefined || number === 0 || numbers.includes(number))
    return tampered(`${row}, and no key of the environment opens it.`, OF_ENVIRONMENT);
  const highest = Math.max(0, ...numbers);
  if (number < highest)
    return new KeyRotationError(
      'KEY_RETIRED',
      `${row}, which no variable of the environment has. Set ENCRYPTION_MASTER_KEY_V${number} to the key, if you ` +
        `still have it. Or the row is older data that only looks numbered, or its bytes were changed.${OTHER_LAYOUT}`,
    );
  const what =
    highest === 0 ? 'this process has only ENCRYPTION_MASTER_KEY' : `the highest number of its keys is ${highest}`;
  return new KeyRotationError(
    'KEY_NEVER_ISSUED',
    `${row}, but ${what} and no key ring. Set AWS_REGION and SECRETS_MANAGER_KEY_NAME to read what a key ring wrote.` +
      OTHER_LAYOUT,
  );
}

const OF_RING =
  'a key that is not on the ring: the key of ENCRYPTION_MASTER_KEY, which put --not-current adds, or a retired key.';
const OF_ENVIRONMENT =
  'another key: set the variable that held it (ENCRYPTION_MASTER_KEY, ENCRYPTION_MASTER_KEY_V2, …).';

function tampered(what: string, otherKey = OF_RING): KeyRotationError {
  return new KeyRotationError(
    'TAMPERED_OR_WRONG_CONTEXT',
    `${what} Its bytes or its context were changed (a row that was moved or restored to another place, a renamed ` +
      `table), or it was encrypted with ${otherKey}${OTHER_LAYOUT}`,
  );
}

function unavailable(what: string, why: KeyRotationError | undefined): KeyRotationError {
  return new KeyRotationError(
    'KEY_UNAVAILABLE',
    `${what}. It cannot be decrypted now; try again later.${why === undefined ? '' : ` ${why.message}`}`,
  );
}

import type { MaintainedRows } from '../../../src/cli/rows/maintained-rows.ts';
import { KeyRotationError } from '../../../src/format/error.ts';
import { toKeyNumber, type KeyNumber } from '../../../src/format/key-number.ts';
import type { Secret } from '../../../src/local/service/state.ts';
import { isKey, numberOf, valueOf, Violation, withLabel } from './seen-secret.ts';

const LAST = '999999999';

/** A key that readers find, and each row that it has written: with its number, or with 0 where it has none. */
interface Row {
  readonly number: number;
  readonly key: string;
}

/** The rows of an application that has written under every key of a secret. One row stands for all of its kind. */
export class ModelRows {
  #rows: readonly Row[];

  constructor(secret: Secret) {
    this.#rows = keysFor(secret);
  }

  get name(): string {
    return JSON.stringify(this.#rows);
  }

  /** Throws `Violation` where no key that a reader finds opens a row. */
  check(secret: Secret): void {
    const keys = keysFor(secret);
    for (const row of this.#rows) {
      if (!keys.some(({ number, key }) => key === row.key && [0, number].includes(row.number)))
        throw new Violation(`a row under number ${row.number} cannot be read any more`);
    }
  }

  /** What the commands see of them. */
  seenIn(secret: () => Secret): MaintainedRows {
    return {
      leftByLast: () => Promise.resolve(0),
      reencrypt: () => {
        this.#reencrypt(secret());
        return Promise.resolve([]);
      },
      census: () =>
        Promise.resolve({
          rowsByNumber: new Map(
            this.#rows.flatMap(({ number }): [KeyNumber, number][] => (number === 0 ? [] : [[toKeyNumber(number), 1]])),
          ),
          rowsWithNumberZero: this.#rows.filter(({ number }) => number === 0).length,
          legacyRows: 0,
          unattributableRows: 0,
          counted: [],
          isComplete: true,
        }),
    };
  }

  #reencrypt(secret: Secret): void {
    const [current = ''] = withLabel(secret, 'AWSCURRENT');
    const target = keysFor(secret, [current])[0];
    if (target === undefined || target.number === 0)
      throw new KeyRotationError('CURRENT_KEY_UNNUMBERED', 'The current key has no number.');
    this.#rows = [target];
  }
}

/** The keys that readers find among these versions: those with a number, and those in use. The lowest number comes first. */
function keysFor(secret: Secret, versionIds: readonly string[] = Object.keys(secret.versions)): readonly Row[] {
  const keys = versionIds.flatMap((id) => {
    const { stages = [] } = secret.versions[id] ?? {};
    const key = valueOf(secret, id) ?? '';
    if (!isKey(key)) return [];
    // Without the last number there is, which has to go, every key is tried for its rows.
    const numbers = stages.flatMap((label) => numberOf(label) ?? []).map((text) => (text === LAST ? 0 : Number(text)));
    if (numbers.length > 0) return numbers.map((number) => ({ number, key }));
    return stages.some((label) => /^AWS(CURRENT|PREVIOUS)$/.test(label)) ? [{ number: 0, key }] : [];
  });
  return keys.sort((one, other) => one.number - other.number);
}

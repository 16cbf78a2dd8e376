import { openLegacy, openNumbered } from './ciphertext.ts';
import { versionsInUse } from './environment-key.ts';
import { isKeyRotationError, KeyRotationError } from './error.ts';
import type { FailedSearch } from './failed-decryption.ts';
import type { KeyMaterial } from './key-material.ts';
import { legacyBoxes } from './legacy-forms.ts';
import type { RingKeeper } from './ring-keeper.ts';
import type { Row } from './open-at-hand.ts';

/** What one row was tried with, beyond the keys that were at hand when it was handed in. */
export class RowAttempts {
  readonly #row: Row;
  readonly #keeper: RingKeeper;
  readonly #boxes: readonly Uint8Array[];
  /** Keys that the row was tried with in every way that is left to be tried. */
  readonly #tried: Set<KeyMaterial>;
  readonly #unread = new Map<string, KeyRotationError>();
  #ownKey: KeyMaterial | undefined;

  constructor(row: Row, keeper: RingKeeper, legacy: boolean) {
    this.#row = row;
    this.#keeper = keeper;
    this.#boxes = legacy ? legacyBoxes(row.bytes) : [];
    this.#tried = new Set(keeper.keys.inOrder);
    this.#ownKey = row.number === undefined ? undefined : keeper.keys.ofNumber(row.number);
  }

  /** Whether no other key can open the row: its number's own one did not, and it cannot be older data. */
  get isDecided(): boolean {
    return this.#ownKey !== undefined && this.#boxes.length === 0;
  }

  /** Tries the key that the row's number names, where the last description shows it and it was not tried yet. */
  async withOwnKey(): Promise<Buffer | undefined> {
    const versionId = this.#ownVersion();
    if (versionId === undefined) return undefined;
    const key = await this.#key(versionId);
    if (key === undefined || key === this.#ownKey) return undefined;
    this.#ownKey = key;
    return this.#open(key);
  }

  /** Tries every key of the ring that was not tried yet, one after the other; stops at the one that opens the row. */
  async withEveryKey(): Promise<Buffer | undefined> {
    for (const versionId of this.#versionsThatMayOpen()) {
      const key = await this.#key(versionId);
      if (key === undefined || this.#tried.has(key)) continue;
      const plaintext = this.#open(key);
      if (plaintext !== undefined) return plaintext;
    }
    return undefined;
  }

  /** What is known once all attempts failed. `stale`: why there is no fresh description, if there is none. */
  outcome(stale: KeyRotationError | undefined): FailedSearch {
    const { ring, isReplica } = this.#keeper;
    return { number: this.#row.number, ring, isReplica, unread: this.#unread, stale };
  }

  /** What is known where only the keys at hand were tried. */
  outcomeAtHand(isUnknown: boolean): FailedSearch {
    const { keys } = this.#keeper;
    const notAtHand = this.#versionsThatMayOpen().filter((versionId) => keys.ofVersion(versionId) === undefined);
    return {
      ...this.outcome(isUnknown ? notAtHandError('the number') : undefined),
      unread: new Map(notAtHand.map((versionId) => [versionId, notAtHandError(`version ${versionId}`)])),
    };
  }

  #open(key: KeyMaterial): Buffer | undefined {
    this.#tried.add(key);
    const { bytes, number, context } = this.#row;
    const plaintext =
      (number === undefined ? undefined : openNumbered(bytes, key, number, context)) ?? openLegacy(this.#boxes, key);
    if (plaintext !== undefined) this.#keeper.keys.putFirst(key);
    return plaintext;
  }

  #ownVersion(): string | undefined {
    const { number } = this.#row;
    return number === undefined || number === 0 ? undefined : this.#keeper.ring?.versionOf.get(number);
  }

  #versionsThatMayOpen(): readonly string[] {
    const { ring } = this.#keeper;
    if (ring === undefined) return [];
    const own = this.#ownVersion();
    const isOwnOnly = this.#boxes.length === 0 && own !== undefined;
    return isOwnOnly ? [own] : versionsInUse(ring);
  }

  async #key(versionId: string): Promise<KeyMaterial | undefined> {
    try {
      const key = await this.#keeper.key(versionId);
      this.#unread.delete(versionId);
      return key;
    } catch (error) {
      if (!isKeyRotationError(error)) throw error;
      this.#unread.set(versionId, error);
      return undefined;
    }
  }
}

function notAtHandError(what: string): KeyRotationError {
  return new KeyRotationError(
    'KEY_UNAVAILABLE',
    `This process has not fetched ${what}: await decryptField, which does, instead of decryptFieldSync.`,
  );
}

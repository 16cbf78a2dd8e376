import { openLegacy, openNumbered } from '../format/ciphertext.ts';
import { KeyRotationError } from '../format/error.ts';
import type { FailedSearch } from './failed-decryption.ts';
import type { KeyMaterial } from '../format/key-material.ts';
import { legacyBoxes } from '../format/legacy-forms.ts';
import { versionsInUse } from '../format/ring-labels.ts';
import type { RingCache } from './ring-cache.ts';
import type { Row } from './row.ts';
import { READ_TOGETHER } from './source/version-reader.ts';

export class RowAttempt {
  readonly #row: Row;
  readonly #cache: RingCache;
  readonly #boxes: readonly Uint8Array[];
  readonly #tried: Set<KeyMaterial>;
  #ownKey: KeyMaterial | undefined;

  constructor(row: Row, cache: RingCache, legacy: boolean) {
    this.#row = row;
    this.#cache = cache;
    this.#boxes = legacy ? legacyBoxes(row.bytes) : [];
    this.#tried = new Set(cache.keys.inOrder);
    this.#ownKey = row.number === undefined ? undefined : cache.keys.ofNumber(row.number);
  }

  /** Whether no other key can open the row: its own key did not, and it cannot be older data. */
  get isDecided(): boolean {
    return this.#ownKey !== undefined && this.#boxes.length === 0;
  }

  /** Whether AWS could not be reached for the row's own key: then the row is unavailable, whatever other keys do. */
  get isOutOfReach(): boolean {
    const versionId = this.#ownVersion();
    return versionId !== undefined && this.#isOutOfReach(versionId);
  }

  async withOwnKey(): Promise<Buffer | undefined> {
    const versionId = this.#ownVersion();
    const key = versionId === undefined ? undefined : await this.#key(versionId);
    if (key === undefined || key === this.#ownKey) return undefined;
    this.#ownKey = key;
    return this.#open(key);
  }

  /** A few keys at a time, until none of a group could be reached: each other one would cost its time limit, too. */
  async withEveryKey(signal: AbortSignal): Promise<Buffer | undefined> {
    const versionIds = this.#versionsThatMayOpen().filter((versionId) => !this.#isTried(versionId));
    for (let start = 0; start < versionIds.length; start += READ_TOGETHER) {
      const group = versionIds.slice(start, start + READ_TOGETHER);
      const plaintext = await firstOf(group.map((versionId) => this.#withVersion(versionId)));
      if (plaintext !== undefined) return plaintext;
      if (signal.aborted || group.every((versionId) => this.#isOutOfReach(versionId))) return undefined;
    }
    return undefined;
  }

  withCachedKeys(): Buffer | undefined {
    for (const versionId of this.#versionsThatMayOpen()) {
      const key = this.#cache.keys.ofVersion(versionId);
      const plaintext = key === undefined || this.#tried.has(key) ? undefined : this.#open(key);
      if (plaintext !== undefined) return plaintext;
    }
    return undefined;
  }

  /** `stale`: why there is no fresh description. A key that is not cached was not tried. */
  outcome(stale: KeyRotationError | undefined): Omit<FailedSearch, 'mayBeIssued'> {
    const { labels, isReplica, keys } = this.#cache;
    const notCached = this.#versionsThatMayOpen().filter((versionId) => keys.ofVersion(versionId) === undefined);
    const why = (versionId: string) =>
      this.#cache.failureOf(versionId) ?? stale ?? notCachedError(`version ${versionId}`);
    const unread = new Map(notCached.map((versionId) => [versionId, why(versionId)]));
    return { number: this.#row.number, labels, isReplica, unread, stale };
  }

  #open(key: KeyMaterial): Buffer | undefined {
    this.#tried.add(key);
    const { bytes, number, context } = this.#row;
    const plaintext =
      (number === undefined ? undefined : openNumbered(bytes, key, number, context)) ?? openLegacy(this.#boxes, key);
    if (plaintext !== undefined) this.#cache.keys.inOrder.putFirst(key);
    return plaintext;
  }

  #ownVersion(): string | undefined {
    const { number } = this.#row;
    return number === undefined || number === 0 ? undefined : this.#cache.labels?.versionOf.get(number);
  }

  #versionsThatMayOpen(): readonly string[] {
    const { labels } = this.#cache;
    if (labels === undefined) return [];
    const own = this.#ownVersion();
    const isOwnOnly = this.#boxes.length === 0 && own !== undefined;
    return isOwnOnly ? [own] : versionsInUse(labels);
  }

  #isTried(versionId: string): boolean {
    const key = this.#cache.keys.ofVersion(versionId);
    return key !== undefined && this.#tried.has(key);
  }

  #isOutOfReach(versionId: string): boolean {
    return this.#cache.failureOf(versionId)?.code === 'CANNOT_REACH_AWS';
  }

  async #withVersion(versionId: string): Promise<Buffer | undefined> {
    const key = await this.#key(versionId);
    return key === undefined || this.#tried.has(key) ? undefined : this.#open(key);
  }

  #key(versionId: string): Promise<KeyMaterial | undefined> {
    return this.#cache.key(versionId).catch(() => undefined);
  }
}

export function notCachedError(what: string): KeyRotationError {
  return new KeyRotationError(
    'KEY_UNAVAILABLE',
    `This process has not fetched ${what}. Await decryptField, which fetches it, instead of calling ` +
      'decryptFieldSync.',
  );
}

/** `undefined` if every attempt failed. The attempts never reject. */
function firstOf<T>(attempts: readonly Promise<T | undefined>[]): Promise<T | undefined> {
  return new Promise((resolve) => {
    let left = attempts.length;
    for (const attempt of attempts) {
      void attempt.then((found) => {
        left -= 1;
        if (found !== undefined || left === 0) resolve(found);
      });
    }
  });
}

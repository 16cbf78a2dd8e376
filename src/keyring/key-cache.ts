import type { KeyMaterial } from '../format/key-material.ts';
import type { KeyNumber } from '../format/key-number.ts';
import { ringLabels, type RingLabels } from '../format/ring-labels.ts';

const NONE: ReadonlySet<string> = new Set();

/** The keys that a process has in memory. A version's value never changes, so a key stays until it was retired. */
export class KeyCache {
  readonly #ofVersion = new Map<string, KeyMaterial>();
  readonly #ofNumber = new Map<number, KeyMaterial>();
  readonly #ofEnvironment: KeyMaterial[] = [];
  #numberOf: ReadonlyMap<string, KeyNumber> = new Map();
  #retired: ReadonlySet<string> = NONE;
  #inOrder: KeyMaterial[] = [];

  /** Every key once. The one that last opened a row without a number comes first: the next row is likely its too. */
  get inOrder(): readonly KeyMaterial[] {
    return this.#inOrder;
  }

  /** The VersionIds of all keys that were read from AWS. */
  get versionIds(): readonly string[] {
    return [...this.#ofVersion.keys()];
  }

  /** The key that a number names. */
  ofNumber(number: number): KeyMaterial | undefined {
    return this.#ofNumber.get(number);
  }

  ofVersion(versionId: string): KeyMaterial | undefined {
    return this.#ofVersion.get(versionId);
  }

  /** Adds a key. Without `versionId` it is the environment's. A key that is here under another version is tried once only. */
  add(key: KeyMaterial, versionId?: string): void {
    if (versionId === undefined) this.#ofEnvironment.push(key);
    // A read may end after a description has shown that the version is retired.
    else if (this.#retired.has(versionId)) return;
    else this.#ofVersion.set(versionId, key);
    if (!isAmong(this.#inOrder, key)) this.#inOrder.push(key);
  }

  /** The number of a version, as it was last seen; 0 if it had none. */
  numberOfVersion(versionId: string): KeyNumber | 0 {
    return this.#numberOf.get(versionId) ?? 0;
  }

  /**
   * Takes over which version each number names, from a description of the whole ring. A version whose label is gone has
   * no number any more, but its old number keeps its key here, for the rows that name it. The keys of `retired`
   * versions are forgotten.
   */
  setNumbers({ versionOf, numberOf }: RingLabels, retired: ReadonlySet<string> = NONE): void {
    this.#numberOf = numberOf;
    this.#retired = retired;
    for (const versionId of retired) this.#forget(versionId);
    this.#nameKeys(versionOf);
  }

  /** Takes over the numbers of one version; its labels say nothing of the others. */
  setNumbersOf(versionId: string, labels: readonly string[]): void {
    const { versionOf, numberOf } = ringLabels({ [versionId]: labels });
    const others = [...this.#numberOf].filter(([other]) => other !== versionId);
    this.#numberOf = new Map([...others, ...numberOf]);
    this.#nameKeys(versionOf);
  }

  #nameKeys(versionOf: RingLabels['versionOf']): void {
    for (const [number, versionId] of versionOf) {
      const key = this.#ofVersion.get(versionId);
      // A number that was moved keeps its old key until the new one is read: what the old one wrote still names it.
      if (key !== undefined) this.#ofNumber.set(number, key);
    }
  }

  #forget(versionId: string): void {
    const key = this.#ofVersion.get(versionId);
    if (key === undefined) return;
    this.#ofVersion.delete(versionId);
    for (const [number, named] of this.#ofNumber) {
      if (named === key) this.#ofNumber.delete(number);
    }
    // Another version, or the environment, may hold the same 32 bytes.
    const kept = [...this.#ofEnvironment, ...this.#ofVersion.values()];
    this.#inOrder = this.#inOrder.filter((other) => isAmong(kept, other));
  }

  /** Puts a key first that has just opened a row which did not name it; the two change places. */
  putFirst(key: KeyMaterial): void {
    const index = this.#inOrder.indexOf(key);
    const first = this.#inOrder[0];
    if (index <= 0 || first === undefined) return;
    this.#inOrder[index] = first;
    this.#inOrder[0] = key;
  }
}

function isAmong(keys: readonly KeyMaterial[], key: KeyMaterial): boolean {
  return keys.some((other) => other === key || other.equals(key));
}

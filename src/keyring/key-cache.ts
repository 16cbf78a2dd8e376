import type { KeyMaterial } from '../format/key-material.ts';
import type { KeyNumber } from '../format/key-number.ts';
import { ringLabels, type RingLabels } from '../format/ring-labels.ts';

/**
 * The keys that a process has in memory. A version's value never changes, so what is here stays, and a key that was
 * retired meanwhile still reads.
 */
export class KeyCache {
  readonly #ofVersion = new Map<string, KeyMaterial>();
  readonly #ofNumber = new Map<number, KeyMaterial>();
  #numberOf: ReadonlyMap<string, KeyNumber> = new Map();
  readonly #inOrder: KeyMaterial[] = [];

  /** Every key once; first the one that opened a row without a number last, since the next such row is likely its too. */
  get inOrder(): readonly KeyMaterial[] {
    return this.#inOrder;
  }

  /** The key that a number names. */
  ofNumber(number: number): KeyMaterial | undefined {
    return this.#ofNumber.get(number);
  }

  ofVersion(versionId: string): KeyMaterial | undefined {
    return this.#ofVersion.get(versionId);
  }

  /** Takes a key in; the same key under a second version is tried once only. */
  add(key: KeyMaterial, versionId?: string): void {
    if (versionId !== undefined) this.#ofVersion.set(versionId, key);
    if (!this.holds(key)) this.#inOrder.push(key);
  }

  holds(key: KeyMaterial): boolean {
    return this.#inOrder.some((other) => other === key || other.equals(key));
  }

  /** The number of a version, as it was last seen; 0 where none was. */
  numberOfVersion(versionId: string): KeyNumber | 0 {
    return this.#numberOf.get(versionId) ?? 0;
  }

  /**
   * Takes over which version each number names, from a description of the whole ring. A version whose label was taken
   * away has no number any more; the number that is gone keeps its key here, for the rows that name it.
   */
  setNumbers({ versionOf, numberOf }: RingLabels): void {
    this.#numberOf = numberOf;
    this.#nameKeys(versionOf);
  }

  /** The same from the labels of one version, which say nothing of the others. */
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

  /** Puts a key first that has just opened a row which did not name it; the one that was first takes its place. */
  putFirst(key: KeyMaterial): void {
    const index = this.#inOrder.indexOf(key);
    const first = this.#inOrder[0];
    if (index <= 0 || first === undefined) return;
    this.#inOrder[index] = first;
    this.#inOrder[0] = key;
  }
}

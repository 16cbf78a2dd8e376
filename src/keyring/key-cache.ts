import type { KeyMaterial } from '../format/key-material.ts';
import { KeysInOrder } from '../format/keys-in-order.ts';
import type { KeyNumber } from '../format/key-number.ts';
import { ringLabels, type RingLabels } from '../format/ring-labels.ts';

interface OffTheRing {
  /** With the number of each. */
  readonly retired: ReadonlyMap<string, number>;
  /** Versions whose number `move` or `restore-ring` has given to another version with the same key. */
  readonly moved: ReadonlySet<string>;
}

const NOTHING_OFF: OffTheRing = { retired: new Map(), moved: new Set() };

/** A version's value never changes, so a key stays until it is retired. */
export class KeyCache {
  readonly #ofVersion = new Map<string, KeyMaterial>();
  readonly #ofNumber = new Map<number, KeyMaterial>();
  readonly #ofEnvironment: KeyMaterial[] = [];
  #numberOf: ReadonlyMap<string, KeyNumber> = new Map();
  #retired: OffTheRing['retired'] = NOTHING_OFF.retired;
  #inOrder = new KeysInOrder<KeyMaterial>();

  /** Each key once, for rows without a number. */
  get inOrder(): KeysInOrder<KeyMaterial> {
    return this.#inOrder;
  }

  get versionIds(): readonly string[] {
    return [...this.#ofVersion.keys()];
  }

  ofNumber(number: number): KeyMaterial | undefined {
    return this.#ofNumber.get(number);
  }

  ofVersion(versionId: string): KeyMaterial | undefined {
    return this.#ofVersion.get(versionId);
  }

  add(key: KeyMaterial, versionId: string): void {
    // A read may end after a description has shown that the version was retired.
    if (this.#retired.has(versionId)) return;
    this.#ofVersion.set(versionId, key);
    this.#append(key);
  }

  /** `number`: the one that its rows name, in a ring without AWS. */
  addOfEnvironment(key: KeyMaterial, number?: number): void {
    this.#ofEnvironment.push(key);
    if (number !== undefined && number !== 0) this.#ofNumber.set(number, key);
    this.#append(key);
  }

  #append(key: KeyMaterial): void {
    if (!isAmong([...this.#inOrder], key)) this.#inOrder = new KeysInOrder([...this.#inOrder, key]);
  }

  /** 0 if the version has no number. */
  numberOfVersion(versionId: string): KeyNumber | 0 {
    return this.#numberOf.get(versionId) ?? 0;
  }

  /**
   * Stores which version each number names, from a description of the whole ring. A version that lost its label loses
   * its number, but rows that name the old number still find its key. Keys of `retired` versions are forgotten.
   */
  setNumbers({ versionOf, numberOf }: RingLabels, { retired, moved } = NOTHING_OFF): void {
    this.#numberOf = numberOf;
    this.#retired = retired;
    for (const [versionId, number] of retired) {
      const key = this.#ofVersion.get(versionId) ?? this.#ofNumber.get(number);
      this.#forget(versionId);
      const isOff = [...versionOf.keys()].every((other) => other !== number);
      if (isOff && key !== undefined) this.#forgetFormer(key, moved);
    }
    this.#nameKeys(versionOf);
  }

  #forgetFormer(key: KeyMaterial, moved: OffTheRing['moved']): void {
    for (const versionId of moved) {
      if (this.#ofVersion.get(versionId)?.equals(key) === true) this.#forget(versionId);
    }
  }

  setNumbersOf(versionId: string, labels: readonly string[]): void {
    const { versionOf, numberOf } = ringLabels({ [versionId]: labels });
    const others = [...this.#numberOf].filter(([other]) => other !== versionId);
    this.#numberOf = new Map([...others, ...numberOf]);
    this.#nameKeys(versionOf);
  }

  #nameKeys(versionOf: RingLabels['versionOf']): void {
    for (const [number, versionId] of versionOf) {
      const key = this.#ofVersion.get(versionId);
      // Rows name the old key of a moved number until the new one is read.
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
    this.#inOrder = new KeysInOrder([...this.#inOrder].filter((other) => isAmong(kept, other)));
  }
}

function isAmong(keys: readonly KeyMaterial[], key: KeyMaterial): boolean {
  return keys.some((other) => other === key || other.equals(key));
}

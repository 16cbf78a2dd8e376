import { withoutStacks } from './ciphertext.ts';

/** Keys to try on a ciphertext that does not name its key. The key that opened the last one comes first. */
export class KeysInOrder<Key> {
  readonly #keys: Key[];

  constructor(keys: Iterable<Key> = []) {
    this.#keys = [...keys];
  }

  [Symbol.iterator](): Iterator<Key> {
    return this.#keys.values();
  }

  firstToOpen<T>(open: (key: Key) => T | undefined): T | undefined {
    return withoutStacks(() => {
      for (const key of this.#keys) {
        const opened = open(key);
        if (opened === undefined) continue;
        this.putFirst(key);
        return opened;
      }
      return undefined;
    });
  }

  putFirst(key: Key): void {
    const index = this.#keys.indexOf(key);
    const first = this.#keys[0];
    if (index <= 0 || first === undefined) return;
    this.#keys[index] = first;
    this.#keys[0] = key;
  }
}

/** Numbers that a seed gives again in the same order (mulberry32): enough to choose by, never for a key or a nonce. */
export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed | 0;
  }

  /** A whole number from `min` on, below `end`. */
  between(min: number, end: number): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return min + Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 0x1_0000_0000) * (end - min));
  }

  /** A stream of its own, so that one actor's choices do not depend on how often another chose before. */
  fork(): Random {
    return new Random(this.between(0, 0x1_0000_0000));
  }
}

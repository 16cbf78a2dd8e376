import { isKeyRotationError } from '../format/error.ts';
import type { KeyMaterial } from '../format/key-material.ts';
import type { RingCache } from './ring-cache.ts';
import { versionsInUse } from '../format/ring-labels.ts';

/** Finds out once whether the environment's key is on the ring, when every key of the ring can be read. */
export class EnvironmentKeyCheck {
  readonly #cache: RingCache;
  readonly #key: KeyMaterial;
  readonly #warn: () => void;
  #isDecided = false;
  #underWay: Promise<void> | undefined;

  constructor(cache: RingCache, key: KeyMaterial, warn: () => void) {
    this.#cache = cache;
    this.#key = key;
    this.#warn = warn;
  }

  run(): Promise<void> {
    this.#underWay ??= this.#look().finally(() => {
      this.#underWay = undefined;
    });
    return this.#underWay;
  }

  async #look(): Promise<void> {
    if (this.#isDecided) return;
    const isKnown = await this.#isOnRing();
    if (isKnown === undefined) return;
    this.#isDecided = true;
    if (!isKnown) this.#warn();
  }

  async #isOnRing(): Promise<boolean | undefined> {
    const { current, labels } = this.#cache;
    if (current === undefined || labels === undefined) return undefined;
    if (current.key.equals(this.#key)) return true;
    const readings = await Promise.allSettled(versionsInUse(labels).map((versionId) => this.#cache.key(versionId)));
    if (readings.some((reading) => reading.status === 'fulfilled' && reading.value.equals(this.#key))) return true;
    return readings.every((reading) => reading.status === 'fulfilled' || isNoKey(reading.reason)) ? false : undefined;
  }
}

function isNoKey(reason: unknown): boolean {
  return isKeyRotationError(reason, 'INVALID_KEY_VALUE');
}

import type { KeyRotationError } from '../format/error.ts';
import type { KeyMaterial } from '../format/key-material.ts';
import type { KeyNumber } from '../format/key-number.ts';
import { KeysInOrder } from '../format/keys-in-order.ts';
import type { RingLabels } from '../format/ring-labels.ts';

/** A key of the ring; `number` 0: its version has no number. */
export interface RingKey {
  readonly number: KeyNumber | 0;
  readonly key: KeyMaterial;
}

export interface TargetKey {
  readonly number: KeyNumber;
  readonly key: KeyMaterial;
}

type RingReading = Pick<KnownKeys, 'ring' | 'isReplica' | 'unread' | 'byVersion'>;

export type OpeningKeys = Pick<KnownKeys, 'ring' | 'isReplica' | 'unread' | 'inOrder' | 'ofNumber' | 'target'>;

export class KnownKeys {
  readonly ring: RingLabels;
  readonly isReplica: boolean;
  /** Why keys of the ring could not be read, by VersionId. */
  readonly unread: ReadonlyMap<string, KeyRotationError>;
  /** Every key that was read, once. */
  readonly inOrder: KeysInOrder<RingKey>;
  /** Every key that was read, by VersionId, in the order of their reading. */
  readonly byVersion: ReadonlyMap<string, KeyMaterial>;

  constructor({ ring, isReplica, unread, byVersion }: RingReading) {
    this.ring = ring;
    this.isReplica = isReplica;
    this.unread = new Map(unread);
    this.byVersion = new Map(byVersion);
    this.inOrder = new KeysInOrder(distinctKeys(this));
  }

  /** The key that a number names, if it is on the ring and could be read. */
  ofNumber(number: KeyNumber): KeyMaterial | undefined {
    const versionId = this.ring.versionOf.get(number);
    return versionId === undefined ? undefined : this.byVersion.get(versionId);
  }

  get target(): TargetKey | undefined {
    const { current } = this.ring;
    if (current === undefined) return undefined;
    const number = this.ring.numberOf.get(current);
    const key = this.byVersion.get(current);
    return number === undefined || key === undefined ? undefined : { number, key };
  }
}

function distinctKeys({ ring, byVersion }: Pick<KnownKeys, 'ring' | 'byVersion'>): readonly RingKey[] {
  const keys: RingKey[] = [];
  // The newest first: where the same value stands under two numbers, the one that is written.
  for (const [versionId, key] of [...byVersion].reverse()) {
    if (keys.some((other) => other.key.equals(key))) continue;
    keys.push({ number: ring.numberOf.get(versionId) ?? 0, key });
  }
  return keys;
}

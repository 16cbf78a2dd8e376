import { DescribeSecretCommand, GetSecretValueCommand } from '@aws-sdk/client-secrets-manager';
import { decryptField, encryptField } from '../../src/format/field.ts';
import { readKeyValue } from '../../src/format/key-value.ts';
import type { KeyMaterial } from '../../src/format/key-material.ts';
import { ringLabels } from '../../src/format/ring-labels.ts';
import { readVarint } from '../../src/format/varint.ts';
import { SECRET, type TestRing } from './ring.ts';

/** A table of an application that reads and writes through the key ring, asking Secrets Manager each time. */
export class Rows {
  readonly #ring: TestRing;
  readonly #rows: Buffer[] = [];

  constructor(ring: TestRing) {
    this.#ring = ring;
  }

  get count(): number {
    return this.#rows.length;
  }

  /** Encrypts rows with the current key, under its number if it has one. */
  async write(rows = 1): Promise<void> {
    const { VersionId: id, ...value } = await this.#read({ VersionStage: 'AWSCURRENT' });
    const number = id === undefined ? undefined : (await this.#state()).numberOf.get(id);
    const { key } = readKeyValue(value);
    for (let row = 0; row < rows; row += 1) {
      const text = textOf(this.#rows.length);
      this.#rows.push(encryptField(text, key, contextOf(this.#rows.length), { number: number ?? 0 }));
    }
  }

  /**
   * The rows that no key opens which a reader of the ring finds, by their place from 1. A row with a number has to open
   * with the key of that very number; one with number 0, with any.
   */
  async unreadable(): Promise<readonly number[]> {
    const state = await this.#state();
    const ids = new Set([...state.numberOf.keys(), state.current, state.previous].filter((id) => id !== undefined));
    const keys = new Map<string, KeyMaterial>();
    for (const VersionId of ids) keys.set(VersionId, readKeyValue(await this.#read({ VersionId })).key);
    const keysFor = (row: Buffer): (KeyMaterial | undefined)[] => {
      const number = readVarint(row) ?? 0;
      return number === 0 ? [...keys.values()] : [keys.get(state.versionOf.get(number) ?? '')];
    };
    const isReadable = (row: Buffer, index: number) =>
      keysFor(row).some((key) => key !== undefined && opens(row, key, index));
    return this.#rows.flatMap((row, index) => (isReadable(row, index) ? [] : [index + 1]));
  }

  async #read(which: { VersionId: string } | { VersionStage: string }) {
    return this.#ring.client.send(new GetSecretValueCommand({ SecretId: SECRET, ...which }));
  }

  async #state() {
    const secret = await this.#ring.client.send(new DescribeSecretCommand({ SecretId: SECRET }));
    return ringLabels(secret.VersionIdsToStages);
  }
}

const textOf = (index: number): string => `Patient ${index} has diabetes`;
const contextOf = (index: number): string => `patients:${index}:note`;

function opens(row: Buffer, key: KeyMaterial, index: number): boolean {
  try {
    return decryptField(row, key, contextOf(index)) === textOf(index);
  } catch {
    return false;
  }
}

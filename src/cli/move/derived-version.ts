import { createHmac } from 'node:crypto';
import type { KeyMaterial } from '../../format/key-material.ts';

/** So often can a key come back under a KMS key that it was under before. */
const MOST_MOVES = 20;

/** The version that restore-ring makes for a key and its lowest number, in any run and from any backup. */
export function restoredVersionId(key: KeyMaterial, number: number): string {
  return derived(key, `restore-ring ${number}`);
}

/** The next one is used if an earlier one is under another KMS key. */
export function movedVersionIds(key: KeyMaterial, number: number): readonly string[] {
  return Array.from({ length: MOST_MOVES }, (_, index) => derived(key, `move ${number} ${index}`));
}

/** Whether move or restore-ring made this version for this key: its number was not moved by hand. */
export function isDerived(versionId: string, key: KeyMaterial, number: number): boolean {
  return restoredVersionId(key, number) === versionId || movedVersionIds(key, number).includes(versionId);
}

/** Shows nothing of the key (HMAC, FIPS 198-1). */
function derived(key: KeyMaterial, text: string): string {
  const digits = createHmac('sha256', key.exportBytes()).update(text).digest('hex');
  return digits.replace(/^(.{8})(.{4}).(.{3}).(.{3})(.{12}).*/, '$1-$2-4$3-8$4-$5');
}

import { additionalData, MIN_CIPHERTEXT_BYTES } from '../format/ciphertext.ts';
import { legacyBoxes } from '../format/legacy-forms.ts';
import { varintLength } from '../format/varint.ts';
import type { CandidateRow } from './attribution.ts';
import type { OpeningKeys } from './known-keys.ts';
import { MOST_SHORT_BYTES, ShortGcm, type Sealed } from './short-gcm.ts';

/** Rows whose tags are checked at once: AES is called once for all of them. */
const BATCH = 64;

interface Box extends Sealed {
  readonly row: CandidateRow;
}

const NO_ADDITIONAL_DATA = new Uint8Array(0);

/**
 * The rows that a key may open; long ones are all given. For a short row it costs a fraction of trying every key. What it
 * gives is opened by node:crypto; what it missed would be lost from sight, which tests compare with node:crypto.
 * `undefined`: others were looked at.
 */
export function* openable(rows: Iterable<CandidateRow>, keys: OpeningKeys): Generator<CandidateRow | undefined> {
  let batch: CandidateRow[] = [];
  for (const row of rows) {
    if (row.bytes.length < MIN_CIPHERTEXT_BYTES) continue;
    if (row.bytes.length > MOST_SHORT_BYTES) yield row;
    else batch.push(row);
    if (batch.length < BATCH) continue;
    yield* withTag(batch, keys);
    yield undefined;
    batch = [];
  }
  yield* withTag(batch, keys);
}

function withTag(rows: readonly CandidateRow[], keys: OpeningKeys): Iterable<CandidateRow> {
  const boxes = rows.flatMap(boxesOf);
  const found = new Set<CandidateRow>();
  if (boxes.length === 0) return found;
  for (const { key } of keys.inOrder) {
    for (const { row } of ShortGcm.of(key).matching(boxes)) found.add(row);
  }
  return found;
}

function boxesOf(row: CandidateRow): readonly Box[] {
  const { bytes, number, contexts } = row;
  const boxes: Box[] = legacyBoxes(bytes).map((box) => ({ row, bytes: box, start: 0, additional: NO_ADDITIONAL_DATA }));
  if (number !== undefined) {
    const start = varintLength(number);
    for (const context of contexts) boxes.push({ row, bytes, start, additional: additionalData(number, context) });
  }
  return boxes.filter((box) => box.bytes.length >= box.start + MIN_CIPHERTEXT_BYTES);
}

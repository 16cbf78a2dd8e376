import { decodeStrictBase64 } from './strict-base64.ts';

const LETTER_V = 0x76;
const DIGIT_0 = 0x30;
const DIGIT_9 = 0x39;
const COLON = 0x3a;
const OPENING_BRACE = 0x7b;

/** RFC 8259, section 2. */
const JSON_SPACE: ReadonlySet<number> = new Set([0x20, 0x09, 0x0a, 0x0d]);

const UTF8 = new TextDecoder('utf-8', { fatal: true });

const ALGORITHM = 'AES-256-GCM';

type Fields = Partial<Record<string, unknown>>;

/**
 * Every `nonce ‖ ciphertext ‖ tag` that a row may hold if it was written before this system: the whole row (a); what
 * follows `vN:`, as bytes (b) or base64 (c); the `ciphertext` (d) or the `data` (e) of a JSON object. These are
 * candidates, since a random nonce may look like any of them: only a tag that verifies decides. The N is not one of our
 * key numbers. The rare forms come first.
 */
export function legacyBoxes(bytes: Uint8Array): readonly Uint8Array[] {
  const boxes: Uint8Array[] = [...boxesOfJson(bytes)];
  const start = endOfVersionPrefix(bytes);
  if (start !== undefined) {
    const rest = bytes.subarray(start);
    const boxOfBase64 = decodeStrictBase64(latin1(rest));
    if (boxOfBase64 !== undefined) boxes.push(boxOfBase64);
    boxes.push(rest);
  }
  boxes.push(bytes);
  return boxes;
}

function endOfVersionPrefix(bytes: Uint8Array): number | undefined {
  if (bytes[0] !== LETTER_V) return undefined;
  let index = 1;
  for (let byte = bytes[index]; byte !== undefined && byte >= DIGIT_0 && byte <= DIGIT_9; byte = bytes[index]) {
    index += 1;
  }
  return index > 1 && bytes[index] === COLON ? index + 1 : undefined;
}

/** Forms (d) and (e). jsonb reorders members and applications add others, so neither order nor other members matter. */
function boxesOfJson(bytes: Uint8Array): readonly Buffer[] {
  if (!startsLikeJsonObject(bytes)) return [];
  let fields: Fields;
  try {
    // JSON that begins with a brace is an object.
    fields = JSON.parse(UTF8.decode(bytes)) as Fields;
  } catch {
    return [];
  }
  return [boxOfVersionedObject(fields), boxOfData(fields)].filter((box) => box !== undefined);
}

export function boxOfVersionedObject({ version, ciphertext, algorithm }: Fields): Buffer | undefined {
  const isForm = typeof version === 'string' && isVersion(version) && algorithm === ALGORITHM;
  return isForm && typeof ciphertext === 'string' ? decodeStrictBase64(ciphertext) : undefined;
}

/** `data` of form (e) is form (c). */
function boxOfData({ data }: Fields): Buffer | undefined {
  if (typeof data !== 'string') return undefined;
  const end = data.indexOf(':');
  return isVersion(data.slice(0, Math.max(0, end))) ? decodeStrictBase64(data.slice(end + 1)) : undefined;
}

/** `v` and digits, of which a regular expression that repeats keeps every one on its stack. */
function isVersion(text: string): boolean {
  return text.startsWith('v') && text.length > 1 && !/[^0-9]/.test(text.slice(1));
}

/** A cheap check before parsing: most rows are random bytes. */
export function startsLikeJsonObject(bytes: Uint8Array): boolean {
  return bytes.find((byte) => !JSON_SPACE.has(byte)) === OPENING_BRACE;
}

function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1');
}

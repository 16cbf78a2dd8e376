/**
 * Decodes base64 as RFC 4648 section 4 spells it and in no other way: the standard alphabet, padding, trailing bits of
 * zero, no white space. Gives `undefined` for anything else, so that every bytes have one spelling and the TypeScript
 * and Python readers agree on every input.
 *
 * Node's own decoder is lenient (it skips what it does not know, takes the URL alphabet, needs no padding). Encoding
 * is canonical, so a text that comes back unchanged is the one spelling of its bytes.
 */
export function decodeStrictBase64(text: string): Buffer | undefined {
  const bytes = Buffer.from(text, 'base64');
  return bytes.toString('base64') === text ? bytes : undefined;
}

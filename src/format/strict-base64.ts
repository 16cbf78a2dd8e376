/**
 * Decodes base64 exactly as RFC 4648 section 4 spells it: the standard alphabet, padding, trailing bits of zero, no
 * white space. Returns `undefined` for anything else. Node's decoder is lenient, but its encoder is canonical: a text
 * that encodes back unchanged is the one spelling of its bytes.
 */
export function decodeStrictBase64(text: string): Buffer | undefined {
  const bytes = Buffer.from(text, 'base64');
  return bytes.toString('base64') === text ? bytes : undefined;
}

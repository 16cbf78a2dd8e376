import { inspect } from 'node:util';

/** Everything that a careless program might print of a value, in one text. */
export function everythingPrinted(value: unknown): string {
  const printed = [
    inspect(value, { depth: Infinity, showHidden: true, getters: true }),
    inspect([value], { customInspect: false, depth: Infinity, showHidden: true }),
    JSON.stringify(value),
    JSON.stringify({ value }),
    String(value),
    Object.values({ value }).join(),
  ];
  if (value instanceof Error) printed.push(value.message, value.stack ?? '', inspect(value.cause));
  return printed.join('\n');
}

/** The spellings in which key bytes could slip out. */
export function spellingsOf(bytes: Uint8Array): readonly string[] {
  const buffer = Buffer.from(bytes);
  return [
    buffer.toString('base64').replace(/=+$/, ''),
    buffer.toString('base64url'),
    buffer.toString('hex'),
    buffer.toString('hex').toUpperCase(),
    buffer.toString('hex').replace(/..(?=.)/g, '$& '),
    buffer.toString('latin1'),
    [...bytes].join(),
    [...bytes].join(', '),
  ];
}

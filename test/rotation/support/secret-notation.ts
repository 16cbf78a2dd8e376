import { inspect } from 'node:util';

/** Bytes of a piece of a secret, at least: what got out in part got out. */
const PIECE_BYTES = 7;

const PAIRS = 65_536;

/** Every way in which bytes might be printed. */
export function spellings(bytes: Uint8Array): Readonly<Record<string, string>> {
  const buffer = Buffer.from(bytes);
  const hex = buffer.toString('hex');
  return {
    base64: buffer.toString('base64'),
    'base64 for URLs': buffer.toString('base64url'),
    'base64 percent-encoded': encodeURIComponent(buffer.toString('base64')),
    hex,
    'hex in capitals': hex.toUpperCase(),
    'an inspected Buffer': inspect(buffer).slice('<Buffer '.length, -1),
    'hex with colons': hex.replace(/..(?=.)/g, '$&:'),
    'a JSON array': JSON.stringify([...bytes]),
    'a list of decimals': [...bytes].join(', '),
    'decimals between blanks': [...bytes].join(' '),
    'percent-encoded bytes': hex.replace(/../g, '%$&'),
    'percent-encoded bytes in capitals': hex.toUpperCase().replace(/../g, '%$&'),
    'escapes of a string': hex.replace(/../g, '\\x$&'),
    'escapes of JSON': hex.replace(/../g, '\\u00$&'),
    'raw bytes': buffer.toString('latin1'),
    'raw bytes as UTF-8': Buffer.from(buffer.toString('utf8')).toString('latin1'),
  };
}

/** Finds secrets, whole or in pieces, in what was printed. */
export class Eavesdropper {
  /** By the length of a piece: pieces of the secrets, and which one each is of. */
  readonly #pieces = new Map<number, Map<string, string>>();
  /** 1 for two characters that a piece begins with, and for two that follow these: most places need no more. */
  readonly #begins = new Uint8Array(PAIRS);
  readonly #follows = new Uint8Array(PAIRS);

  /** Listens for a key: its bytes, and the text that spells it. */
  key(bytes: Uint8Array, name: string): this {
    this.#listenFor(bytes, name);
    return this.text(Buffer.from(bytes).toString('base64'), `the base64 of ${name}`);
  }

  /** Listens for a secret text, as it is and as bytes in every spelling. */
  text(text: string, name: string): this {
    this.#listenFor(Buffer.from(text), name);
    return this;
  }

  /** What is heard in `printed` (its bytes, one by one), by name. */
  hears(printed: string): readonly string[] {
    const heard = new Set<string>();
    const text = onOneLine(printed);
    for (let start = 0; start < text.length; start += 1) {
      if (this.#begins[pairAt(text, start)] !== 1 || this.#follows[pairAt(text, start + 2)] !== 1) continue;
      for (const [length, pieces] of this.#pieces) {
        const name = pieces.get(text.slice(start, start + length));
        if (name !== undefined) heard.add(name);
      }
    }
    return [...heard];
  }

  #listenFor(bytes: Uint8Array, name: string): void {
    for (const [spelling, spelt] of Object.entries(spellings(bytes))) {
      const text = onOneLine(spelt);
      const length = Math.max(12, Math.ceil((text.length / bytes.length) * PIECE_BYTES));
      const pieces = this.#pieces.get(length) ?? new Map<string, string>();
      this.#pieces.set(length, pieces);
      for (let start = 0; start + length <= text.length; start += 1) {
        pieces.set(text.slice(start, start + length), `${name} as ${spelling}`);
        this.#begins[pairAt(text, start)] = 1;
        this.#follows[pairAt(text, start + 2)] = 1;
      }
    }
  }
}

function pairAt(text: string, at: number): number {
  return ((text.charCodeAt(at) << 8) ^ text.charCodeAt(at + 1)) % PAIRS;
}

/** Without the line breaks and the columns that pretty printing makes. */
function onOneLine(text: string): string {
  return text.replace(/\s+/g, ' ');
}

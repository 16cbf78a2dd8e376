import { isUtf8 } from 'node:buffer';
import { readVarint } from '../../../src/format/varint.ts';
import { openWithAnyKey } from '../../../src/postgres/attribution.ts';
import type { OpeningKeys } from '../../../src/postgres/known-keys.ts';

/**
 * The numbers of the keys that open something inside a plaintext: every key is tried on what every run of base64 and
 * hexadecimal spells from each of its first characters. It is the search as it was first written, kept to compare with.
 */
export function everyAttempt(plaintext: Buffer, contexts: readonly string[], keys: OpeningKeys): Set<number> {
  const found = new Set<number>();
  const isText = isUtf8(plaintext);
  const spelled = candidates(plaintext.toString(isText ? 'utf8' : 'latin1'));
  for (const bytes of [...(isText ? [] : [plaintext]), ...spelled]) {
    if (bytes.length < 28) continue;
    const opened = openWithAnyKey({ bytes, number: readVarint(bytes), contexts: ['', ...contexts] }, keys);
    if (opened === undefined) continue;
    found.add(opened.number);
    for (const number of everyAttempt(opened.plaintext, contexts, keys)) found.add(number);
  }
  return found;
}

const LINES = /(?<![A-Za-z0-9+/_-])[A-Za-z0-9+/_-]{16,}(?:[ \t]*\r?\n[ \t]*[A-Za-z0-9+/_-]+)+/g;

function* candidates(text: string): Generator<Buffer> {
  yield* runs(text);
  yield* numbers(text);
  for (const [lines] of text.matchAll(LINES)) {
    const parts = lines.split(/[ \t]*\r?\n[ \t]*/);
    for (const [start] of parts.entries()) {
      for (let end = start + 2; end <= parts.length; end += 1) {
        const some = parts.slice(start, end);
        const [, ...middle] = some.slice(0, -1);
        const isEven = new Set(middle.map((line) => line.length)).size < 2;
        if (isEven || some.length === parts.length) yield* runs(some.join(''));
      }
    }
  }
  const strings: string[] = [];
  let hasEscapes = text.includes('\\');
  try {
    JSON.parse(text.trim(), (name, value: unknown) => {
      strings.push(name, ...(typeof value === 'string' ? [value] : []));
      return undefined;
    });
  } catch {
    strings.push(text.replaceAll(/\\(?:u([0-9A-Fa-f]{4})|(.))/g, plain));
    hasEscapes &&= strings[0] !== text;
  }
  if (!hasEscapes) {
    strings.push(text.replaceAll(/%([0-7][0-9A-Fa-f])/g, (_, code: string) => String.fromCharCode(parseInt(code, 16))));
  }
  for (const string of strings.filter((one) => one !== text)) yield* candidates(string);
}

function* numbers(text: string): Generator<Buffer> {
  for (const [run] of text.matchAll(/[0-9]+(?:,\s*(?:"[0-9]+":\s*)?[0-9]+)+/g)) {
    const spelled = run
      .replaceAll(/\s|"[0-9]+":/g, '')
      .replaceAll(/[0-9]{4,}|(?:25[6-9]|2[6-9]|[3-9][0-9])[0-9]/g, ';');
    for (const bytes of spelled.split(';')) yield Buffer.from(bytes.split(',').filter(Boolean).map(Number));
  }
}

function plain(_: string, code: string | undefined, character: string): string {
  if (code !== undefined) return String.fromCharCode(parseInt(code, 16));
  const at = 'bfnrt'.indexOf(character);
  return at < 0 ? character : '  \n\r\t'.charAt(at);
}

function* runs(text: string): Generator<Buffer> {
  for (const [index, [run]] of [...text.matchAll(/[A-Za-z0-9+/_-]{38,}/g)].entries()) {
    const paths = [...run.slice(16, 96).matchAll(/[+/_-]/g)].slice(0, 8).map((match) => 17 + match.index);
    const starts = [...Array(17).keys(), ...paths].slice(0, index < 10 ? undefined : 1);
    for (const start of starts.filter((one) => run.length - one >= 38)) {
      yield Buffer.from(run.slice(start), 'base64');
      // Between separators: behind one of the first five, and before one of the last five.
      const separators = [...run.matchAll(/[+/_-]/g)].map((match) => match.index);
      if (index >= 10 || (start > 0 && start < 17 && !separators.slice(0, 5).includes(start - 1))) continue;
      for (const end of separators.slice(-5)) {
        if (end >= run.length - 40 && end > start) yield Buffer.from(run.slice(start, end), 'base64');
      }
    }
  }
  for (const [index, [run]] of [...text.matchAll(/[0-9A-Fa-f]{56,}/g)].entries()) {
    const first = run.length % 2;
    for (let start = first; start === first || (index < 10 && start <= 16 && run.length - start >= 56); start += 2) {
      yield Buffer.from(run.slice(start), 'hex');
    }
  }
}

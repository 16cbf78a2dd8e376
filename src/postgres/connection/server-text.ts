import { isUtf8 } from 'node:buffer';
import { isNotConverted } from './database-error.ts';
import type { Connection } from './database.ts';

/**
 * PostgreSQL refuses a whole answer for a text without a form in UTF-8: such databases send the bytes that are stored.
 */
export interface ServerText {
  /** As PostgreSQL names it. In each, bytes below 128 are ASCII. */
  readonly encoding: string;
  /** From 128 on; `undefined`: nothing. No list for SQL_ASCII (read as UTF-8) and for encodings of several bytes. */
  readonly characters: readonly (string | undefined)[] | undefined;
  readonly isMultibyte: boolean;
}

/** By encoding: what its bytes stand for is the same in every database. */
const known = new Map<string, ServerText['characters']>();

const ALL =
  "SELECT pg_catalog.string_agg(pg_catalog.chr(n), '' ORDER BY n) FROM pg_catalog.generate_series(128, 255) n";
const ONE = 'SELECT pg_catalog.chr($1::pg_catalog.int4)';

/** How the texts of the session's database are read, in its open transaction; `undefined` where they are in UTF-8. */
export async function serverTextOf(session: Connection): Promise<ServerText | undefined> {
  const { encoding, isMultibyte } = session.stored;
  if (encoding === 'UTF8') return undefined;
  if (isMultibyte || encoding === 'SQL_ASCII') return { encoding, isMultibyte, characters: undefined };
  const characters = known.get(encoding) ?? (await charactersOf(session));
  known.set(encoding, characters);
  return { encoding, isMultibyte, characters };
}

async function charactersOf(session: Connection): Promise<ServerText['characters']> {
  const all = await charactersIn(session, ALL);
  if (all !== undefined) return Array.from(all);
  const characters: (string | undefined)[] = [];
  for (let byte = 128; byte < 256; byte += 1) characters.push(await charactersIn(session, ONE, [byte]));
  return characters;
}

async function charactersIn(session: Connection, text: string, values: number[] = []): Promise<string | undefined> {
  await session.change('SAVEPOINT character');
  try {
    return (await session.rows(text, values))[0]?.[0] ?? undefined;
  } catch (error) {
    if (!isNotConverted(error)) throw error;
    return undefined;
  } finally {
    await session.change('ROLLBACK TO SAVEPOINT character');
  }
}

export function storedBytes(text: string, { encoding }: ServerText): string {
  return `pg_catalog.convert_to(${text}, '${encoding}')`;
}

/** What is sent of a text that is read as `decoded` reads it. */
export function sentText(text: string, server: ServerText | undefined): string {
  return server === undefined || server.isMultibyte ? text : storedBytes(text, server);
}

/** The text that was sent as `sentText` says; `undefined` where it has no form in UTF-8. */
export function decoded(bytes: Buffer, server: ServerText | undefined): string | undefined {
  if (server === undefined || server.isMultibyte) return bytes.toString();
  const { characters } = server;
  if (characters === undefined) return isUtf8(bytes) ? bytes.toString() : undefined;
  let text = '';
  for (const byte of bytes) {
    const character = byte < 128 ? String.fromCharCode(byte) : characters[byte - 128];
    if (character === undefined) return undefined;
    text += character;
  }
  return text;
}

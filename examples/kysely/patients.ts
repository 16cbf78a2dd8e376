import { randomUUID } from 'node:crypto';
import type { Kysely, UnknownRow } from 'kysely';
import type { KeyRing } from 'pazpaz-key-rotation';
import { DecryptedColumns, type Encrypted } from './encrypted-columns.ts';

export interface Database {
  patients: { readonly id: string; readonly note: Encrypted | null };
}

/** Patients whose notes are encrypted, each for its own row. The key of a row is made before the row is. */
export class Patients {
  readonly #db: Kysely<Database>;
  readonly #ring: KeyRing;

  constructor(db: Kysely<Database>, ring: KeyRing) {
    this.#db = db.withPlugin(new DecryptedColumns(ring, { note: ({ id }: UnknownRow) => noteOf(id) }));
    this.#ring = ring;
  }

  async add(note: string | null): Promise<string> {
    const id = randomUUID();
    await this.#db
      .insertInto('patients')
      .values({ id, note: note === null ? null : this.#ring.encryptField(note, noteOf(id)) })
      .execute();
    return id;
  }

  async find(id: string): Promise<{ readonly id: string; readonly note: string | null } | undefined> {
    return this.#db.selectFrom('patients').select(['id', 'note']).where('id', '=', id).executeTakeFirst();
  }

  async all(): Promise<readonly { readonly id: string; readonly note: string | null }[]> {
    return this.#db.selectFrom('patients').select(['id', 'note']).execute();
  }
}

/** The context of a note: table, row, column. */
function noteOf(id: unknown): string {
  if (typeof id !== 'string') throw new TypeError('Select the id beside the note: the note is bound to its row.');
  return `patients:${id}:note`;
}

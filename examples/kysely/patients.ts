import { randomUUID } from 'node:crypto';
import type { Kysely, UnknownRow } from 'kysely';
import type { KeyRing } from 'pazpaz-key-rotation';
import { DecryptedColumns, type Encrypted } from './encrypted-columns.ts';

export interface Database {
  patients: { readonly id: string; readonly notes: Encrypted | null };
}

/** Patients whose notes are encrypted, each for its own row. The key of a row is made before the row is. */
export class Patients {
  readonly #db: Kysely<Database>;
  readonly #ring: KeyRing;

  constructor(db: Kysely<Database>, ring: KeyRing) {
    this.#db = db.withPlugin(new DecryptedColumns(ring, { notes: ({ id }: UnknownRow) => notesOf(id) }));
    this.#ring = ring;
  }

  async add(notes: string | null): Promise<string> {
    const id = randomUUID();
    await this.#db
      .insertInto('patients')
      .values({ id, notes: notes === null ? null : this.#ring.encryptField(notes, notesOf(id)) })
      .execute();
    return id;
  }

  async find(id: string): Promise<{ readonly id: string; readonly notes: string | null } | undefined> {
    return this.#db.selectFrom('patients').select(['id', 'notes']).where('id', '=', id).executeTakeFirst();
  }

  async all(): Promise<readonly { readonly id: string; readonly notes: string | null }[]> {
    return this.#db.selectFrom('patients').select(['id', 'notes']).execute();
  }
}

/** The context of a patient's notes: table, row, column. */
function notesOf(id: unknown): string {
  if (typeof id !== 'string') throw new TypeError('Select the id beside the notes: they are bound to their row.');
  return `patients:${id}:notes`;
}

import { randomUUID } from 'node:crypto';
import type { Kysely } from 'kysely';
import type { KeyRing } from 'pazpaz-key-rotation';
import { EncryptedColumns, encryptedText } from 'pazpaz-key-rotation/kysely';

/** As the application sees it. In PostgreSQL, `notes` is of type bytea. */
export interface Database {
  patients: { readonly id: string; readonly notes: string | null };
}

/** Patients whose notes are encrypted, each for its own row. The key of a row is made before the row is. */
export class Patients {
  readonly #db: Kysely<Database>;

  constructor(db: Kysely<Database>, ring: KeyRing) {
    const notes = encryptedText({ ring, context: 'patients:{id}:notes' });
    this.#db = db.withPlugin(new EncryptedColumns<Database>({ patients: { notes } }));
  }

  async add(notes: string | null): Promise<string> {
    const id = randomUUID();
    await this.#db.insertInto('patients').values({ id, notes }).execute();
    return id;
  }

  async find(id: string): Promise<{ readonly id: string; readonly notes: string | null } | undefined> {
    return this.#db.selectFrom('patients').select(['id', 'notes']).where('id', '=', id).executeTakeFirst();
  }

  async all(): Promise<readonly { readonly id: string; readonly notes: string | null }[]> {
    return this.#db.selectFrom('patients').select(['id', 'notes']).execute();
  }
}

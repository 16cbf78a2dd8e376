import type { Clinic } from './clinic.ts';

/** One update of a row by re-encryption. */
export interface Handling {
  readonly id: number;
  /** The first byte of its value before and after: key numbers, in tests whose rows are all ours and below 128. */
  readonly was: number;
  readonly is: number;
}

/**
 * Has the database itself note every row that re-encryption writes in `patients`, in the transaction that writes it. The
 * table's triggers then have to fire.
 */
export async function watchHandling(clinic: Clinic): Promise<void> {
  await clinic.sql('DROP TABLE IF EXISTS handled');
  await clinic.sql('CREATE TABLE handled (id int, was int, "is" int)');
  await clinic.sql(`CREATE OR REPLACE FUNCTION note_handled() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    IF current_setting('application_name') = 'pazpaz-keys' THEN
      INSERT INTO handled VALUES (new.id, get_byte(old.notes, 0), get_byte(new.notes, 0));
    END IF; RETURN new; END $$`);
  await clinic.sql('CREATE TRIGGER handled AFTER UPDATE ON patients FOR EACH ROW EXECUTE FUNCTION note_handled()');
}

/**
 * The rows that were handled needlessly: written although they already were under the key that they were brought to.
 * Whether it was the process that wrote them, another, one that was killed, or the application that had brought them
 * there.
 */
export function needlessHandlings(clinic: Clinic): Promise<readonly Handling[]> {
  return clinic.sql<Handling>('SELECT id, was, "is" FROM handled WHERE was = "is" ORDER BY id');
}

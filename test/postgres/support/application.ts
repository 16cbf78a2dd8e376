import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import type { Clinic } from './clinic.ts';
import type { Random } from './random.ts';

/** Rows that are held at once: enough of them that re-encryption comes upon them even in a large table. */
const MOST_HELD = 500;

/** An application that reads and writes rows of `patients` all the time, and remembers what it wrote last. */
export class Application {
  /** The last text that was committed for each of its ids. */
  readonly texts: Map<number, string>;
  writes = 0;
  readonly #clinic: Clinic;
  readonly #keyNumber: number;
  readonly #contextOf: (id: number) => string;
  readonly #random: Random;
  readonly #apart: number;
  /** The ids to choose from: those of `texts`, and some that were deleted. */
  readonly #ids: number[];
  #highest: number;
  #isStopped = false;

  /** `texts`: the rows that are its own. `apart`: how far apart ids are that one application adds, to leave others theirs. */
  constructor(
    clinic: Clinic,
    texts: Map<number, string>,
    keyNumber: number,
    contextOf: (id: number) => string,
    random: Random,
    apart = 1,
  ) {
    this.#clinic = clinic;
    this.texts = texts;
    this.#keyNumber = keyNumber;
    this.#contextOf = contextOf;
    this.#random = random;
    this.#apart = apart;
    this.#ids = [...texts.keys()];
    this.#highest = this.#ids.reduce((highest, id) => Math.max(highest, id), 0);
  }

  /** Writes on one connection until it is stopped. */
  async run(): Promise<void> {
    const client = new pg.Client({ connectionString: this.#clinic.postgres.url });
    // A lost connection is told to anyone who asks next.
    client.on('error', () => undefined);
    await client.connect();
    try {
      while (!this.#isStopped) await this.#act(client);
    } finally {
      await client.end();
    }
  }

  stop(): void {
    this.#isStopped = true;
  }

  /** Changes two rows in one transaction in any order, adds one, deletes one, or holds many for a while as they are. */
  async #act(client: pg.Client): Promise<void> {
    const written = new Map<number, string | undefined>();
    const kind = this.#random.between(0, 12);
    await client.query('BEGIN');
    if (kind === 0) {
      this.#highest += this.#apart * this.#random.between(1, 1000);
      this.#ids.push(this.#highest);
      await this.#put(client, written, this.#highest);
    } else if (kind === 1) {
      const id = this.#someId();
      await client.query('DELETE FROM patients WHERE id = $1', [id]);
      written.set(id, undefined);
    } else if (kind === 2) {
      // Those that others hold are left out: this must wait for no one, or two of these could wait for each other.
      await client.query('SELECT FROM patients WHERE id >= $1 ORDER BY id LIMIT $2 FOR UPDATE SKIP LOCKED', [
        this.#someId(),
        MOST_HELD,
      ]);
      await sleep(this.#random.between(0, 20));
    } else {
      await this.#put(client, written, this.#someId());
      if (kind < 5) await sleep(this.#random.between(0, 20));
      await this.#put(client, written, this.#someId());
    }
    await client.query('COMMIT');
    for (const [id, text] of written) {
      if (text === undefined) this.texts.delete(id);
      else this.texts.set(id, text);
    }
    this.writes += written.size;
    await sleep(this.#random.between(0, 5));
  }

  async #put(client: pg.Client, written: Map<number, string | undefined>, id: number): Promise<void> {
    const text = `written ${this.writes} by the application for ${id}`;
    const row = this.#clinic.row(text, this.#keyNumber, this.#contextOf(id));
    await client.query(
      'INSERT INTO patients (id, notes) VALUES ($1, $2) ON CONFLICT (id) DO UPDATE SET notes = excluded.notes',
      [id, row],
    );
    written.set(id, text);
  }

  #someId(): number {
    return this.#ids[this.#random.between(0, this.#ids.length)] ?? 1;
  }
}

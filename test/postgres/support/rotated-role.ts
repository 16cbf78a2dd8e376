import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Postgres } from './postgres.ts';
import type { Random } from './random.ts';

/** A line of pg_hba.conf: the role has to give its password. */
export const ROTATED_ACCESS = 'host all worker all scram-sha-256';

/** A role whose password changes, as a rotation does it: first in the database, then where processes fetch it. */
export class RotatedRole {
  readonly passwordFile: string;
  readonly #postgres: Postgres;
  readonly #folder = mkdtempSync(join(tmpdir(), 'pazpaz-password-'));
  #changes = 0;

  private constructor(postgres: Postgres) {
    this.#postgres = postgres;
    this.passwordFile = join(this.#folder, 'password');
  }

  static async make(postgres: Postgres): Promise<RotatedRole> {
    const role = new RotatedRole(postgres);
    await postgres.client.query('CREATE ROLE worker LOGIN; GRANT CREATE ON DATABASE postgres TO worker');
    await role.change();
    return role;
  }

  get url(): string {
    return this.#postgres.url.replace('postgres@', 'worker@');
  }

  /** How often the password has changed. */
  get changes(): number {
    return this.#changes - 1;
  }

  /** Ends the role's sessions, too: an open one asks for no password. */
  async change(milliseconds = 0): Promise<void> {
    const { client } = this.#postgres;
    this.#changes += 1;
    const password = `password ${this.#changes}`;
    await client.query(`ALTER ROLE worker PASSWORD '${password}'`);
    await client.query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'worker'");
    await sleep(milliseconds);
    const file = `${this.passwordFile}.new`;
    writeFileSync(file, password, { mode: 0o600 });
    renameSync(file, this.passwordFile);
  }

  async changeAtTimes(random: Random, over: AbortSignal): Promise<void> {
    const wait = () => sleep(random.between(1500, 6000), true, { signal: over }).catch(() => false);
    while (await wait()) await this.change(random.between(0, 1500));
  }

  remove(): void {
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

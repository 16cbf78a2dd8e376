import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { build } from 'esbuild';
import type { Orders } from './process-orders.ts';

/** The engine alone, built to be run by Node in processes of its own, which are told what to do on standard input. */
export class Program {
  readonly #folder: string;
  readonly #running = new Set<ChildProcess>();
  #isRemoved = false;

  private constructor(folder: string) {
    this.#folder = folder;
  }

  static async build(): Promise<Program> {
    // Within node_modules, so that the built file finds its packages.
    const folder = mkdtempSync(resolve('node_modules', '.test-data-'));
    await build({
      entryPoints: { program: 'test/postgres/job/support/reencrypt-process.ts' },
      outdir: folder,
      outExtension: { '.js': '.mjs' },
      bundle: true,
      platform: 'node',
      format: 'esm',
      target: 'node20',
      packages: 'external',
      loader: { '.sql': 'text' },
      logLevel: 'silent',
    });
    return new Program(folder);
  }

  start(orders: Orders): ChildProcess {
    const child = spawn(process.execPath, [join(this.#folder, 'program.mjs')], { stdio: ['pipe', 'pipe', 'inherit'] });
    child.stdin.end(JSON.stringify(orders));
    this.#running.add(child);
    child.once('exit', () => this.#running.delete(child));
    return child;
  }

  /**
   * Runs it until it ends by itself, and begins it again each time that it was killed. `lifetime`: milliseconds that it is
   * given; `undefined` for as long as it takes. Gives how often it was killed.
   */
  async runKilled(orders: Orders, lifetime: (attempt: number) => number | undefined): Promise<number> {
    for (let kills = 0; ; kills += 1) {
      const child = this.start(orders);
      const milliseconds = lifetime(kills);
      const timer = milliseconds === undefined ? undefined : setTimeout(() => child.kill('SIGKILL'), milliseconds);
      const [code, signal] = (await once(child, 'exit')) as [number | null, string | null];
      clearTimeout(timer);
      if (signal === 'SIGKILL' && !this.#isRemoved) continue;
      if (code !== 0) throw new Error(`The process ended with ${code ?? signal ?? 'nothing'}`);
      return kills;
    }
  }

  /** Takes it away, and ends what still runs of it after a failure. */
  remove(): void {
    this.#isRemoved = true;
    for (const child of this.#running) child.kill('SIGKILL');
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

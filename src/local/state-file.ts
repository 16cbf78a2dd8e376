import { open, readFile, realpath, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { codeOf, messageOf } from './error-message.ts';
import { FileLocked, lockFile } from './file-lock.ts';
import { parseStateFile, stateFileText, type SavedState } from './saved-state.ts';

/** The message names the file, the reason and the next step. */
export class StateFileError extends Error {
  constructor(path: string, problem: string, nextStep: string, options?: ErrorOptions) {
    super(`The state file ${path} cannot be used: ${problem}. ${nextStep}`, options);
    this.name = 'StateFileError';
  }
}

const ANOTHER_FILE = 'Name another file, or move this one away.';

/**
 * Keeps the state in one file that a crash cannot tear: each write goes to a new file, is flushed, and replaces the old
 * one. It holds the values of the secrets in the clear and only its owner can read it.
 */
export class StateFile {
  readonly #path: string;
  readonly #release: () => Promise<void>;
  #writing: Promise<void> = Promise.resolve();
  #next: { saved: SavedState; written: Promise<void> } | undefined;

  private constructor(path: string, release: () => Promise<void>) {
    this.#path = path;
    this.#release = release;
  }

  /** Locks the file, removes what a killed process left, and checks the folder. Throws `StateFileError`. */
  static async open(path: string): Promise<StateFile> {
    try {
      const real = await realPathOf(path);
      await refuseOtherThanFile(real);
      const file = new StateFile(real, await lockFile(real));
      try {
        await file.#checkFolder();
      } catch (error) {
        await file.close();
        throw error;
      }
      return file;
    } catch (error) {
      const nextStep =
        error instanceof FileLocked
          ? 'Stop that process, or name another file.'
          : 'Name a file in a folder that exists and can be written.';
      throw new StateFileError(path, messageOf(error), nextStep, { cause: error });
    }
  }

  /** Returns `undefined` if there is no such file yet. Throws `StateFileError`. */
  async load(): Promise<SavedState | undefined> {
    let text: string;
    try {
      text = new TextDecoder('utf-8', { fatal: true }).decode(await readFile(this.#path));
    } catch (error) {
      if (codeOf(error) === 'ENOENT') return undefined;
      throw new StateFileError(this.#path, messageOf(error), ANOTHER_FILE, { cause: error });
    }
    try {
      return parseStateFile(text);
    } catch (error) {
      // No cause: it may hold a line of the file.
      const problem = error instanceof RangeError ? error.message : 'it cannot be parsed';
      throw new StateFileError(this.#path, problem, ANOTHER_FILE);
    }
  }

  /** Resolves when this state, or a later one, is on the disk. One write may save several states. */
  save(saved: SavedState): Promise<void> {
    if (this.#next !== undefined) {
      this.#next.saved = saved;
      return this.#next.written;
    }
    const written = this.#writing
      .catch(() => {
        // The callers who waited for that write have its failure.
      })
      .then(() => {
        const latest = this.#next?.saved ?? saved;
        this.#next = undefined;
        return this.#write(stateFileText(latest));
      });
    this.#next = { saved, written };
    this.#writing = written;
    return written;
  }

  /** Waits for the last write and releases the lock. */
  async close(): Promise<void> {
    await this.#writing.catch(() => undefined);
    await this.#release();
  }

  async #write(text: string): Promise<void> {
    try {
      await writeFlushed(this.#temporary, text);
      await rename(this.#temporary, this.#path);
      await flushFolder(dirname(this.#path));
    } catch (error) {
      await rm(this.#temporary, { force: true });
      throw error;
    }
  }

  async #checkFolder(): Promise<void> {
    await writeFlushed(this.#temporary, '');
    await rm(this.#temporary);
  }

  /** One name for all writes, so that what a killed process leaves is found. */
  get #temporary(): string {
    return `${this.#path}.unfinished`;
  }
}

/** A pipe or a device would be read without an end, and then replaced. */
async function refuseOtherThanFile(path: string): Promise<void> {
  const found = await stat(path).catch(() => undefined);
  if (found?.isFile() === false) throw new Error('it is not a regular file');
}

/** A file that is there could be readable by others, so it is replaced. */
async function writeFlushed(path: string, text: string): Promise<void> {
  await rm(path, { force: true });
  const file = await open(path, 'wx', 0o600);
  try {
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
}

/** A rename is on the disk when its folder is. Some systems cannot flush a folder. */
async function flushFolder(path: string): Promise<void> {
  const folder = await open(path, 'r').catch(() => undefined);
  await folder?.sync().catch(() => undefined);
  await folder?.close();
}

/** Follows links, so that two names of one file count as one. */
async function realPathOf(path: string): Promise<string> {
  try {
    return await realpath(path);
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw error;
    return join(await realpath(dirname(path)), basename(path));
  }
}

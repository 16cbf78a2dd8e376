import { readFile } from 'node:fs/promises';
import writeFileAtomic from 'write-file-atomic';
import { codeOf, messageOf } from './error-message.ts';
import { parseStateFile, stateFileText, type SavedState } from './saved-state.ts';

// write-file-atomic hashes `__filename` into the names of its temporary files. Bundled into an ES module it finds none,
// and fails at the first write; any text does.
if (!('__filename' in globalThis)) Object.assign(globalThis, { __filename: 'local-secrets-manager' });

/** The state file cannot be read, or holds something else. The message names the file and the next step. */
export class StateFileError extends Error {
  constructor(path: string, problem: string, options?: ErrorOptions) {
    super(`The state file ${path} cannot be used: ${problem}. Name another file, or move this one away.`, options);
    this.name = 'StateFileError';
  }
}

/**
 * Keeps the state in one file that a crash cannot tear: each write goes to a new file beside it, is flushed, and takes
 * its place. It holds the values of the secrets in the clear and is readable by its owner alone.
 */
export class StateFile {
  readonly #path: string;
  #writing: Promise<void> = Promise.resolve();
  #next: { saved: SavedState; written: Promise<void> } | undefined;

  constructor(path: string) {
    this.#path = path;
  }

  /**
   * @returns nothing if there is no such file yet.
   * @throws {StateFileError}
   */
  async load(): Promise<SavedState | undefined> {
    let text: string;
    try {
      text = await readFile(this.#path, 'utf8');
    } catch (error) {
      if (codeOf(error) === 'ENOENT') return undefined;
      throw new StateFileError(this.#path, messageOf(error), { cause: error });
    }
    try {
      return parseStateFile(text);
    } catch (error) {
      // No cause: it may hold a line of the file.
      throw new StateFileError(this.#path, error instanceof RangeError ? error.message : 'it cannot be parsed');
    }
  }

  /**
   * Resolves when this state, or a later one, is on the disk. States that arrive during a write are written together.
   */
  save(saved: SavedState): Promise<void> {
    if (this.#next !== undefined) {
      this.#next.saved = saved;
      return this.#next.written;
    }
    const written = this.#writing
      .catch(() => {
        // The failure went to those who waited for that write; this one stands for itself.
      })
      .then(() => {
        const latest = this.#next?.saved ?? saved;
        this.#next = undefined;
        return writeFileAtomic(this.#path, stateFileText(latest), { mode: 0o600 });
      });
    this.#next = { saved, written };
    this.#writing = written;
    return written;
  }
}

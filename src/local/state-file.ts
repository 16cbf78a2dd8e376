import { readFile } from 'node:fs/promises';
import writeFileAtomic from 'write-file-atomic';
import { parseStateFile, stateFileText, type SavedState } from './saved-state.ts';

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
      if (isErrno(error) && error.code === 'ENOENT') return undefined;
      throw new StateFileError(this.#path, isErrno(error) ? error.message : 'it cannot be read', { cause: error });
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

function isErrno(error: unknown): error is { readonly code: unknown; readonly message: string } {
  return typeof error === 'object' && error !== null && 'code' in error && 'message' in error;
}

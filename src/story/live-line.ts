const REDRAWN_EVERY = 100;
const NARROW = 80;
const ERASE_LINE = '\r\u001B[2K';

export interface TextStream {
  readonly columns?: number;
  readonly write: (text: string) => unknown;
}

/** A line at the bottom of a terminal that changes until it is replaced. */
export class LiveLine {
  readonly #stream: TextStream;
  #timer: NodeJS.Timeout | undefined;

  constructor(stream: TextStream) {
    this.#stream = stream;
  }

  /** Calls `text` repeatedly. */
  show(text: () => string): void {
    this.clear();
    const draw = (): void => {
      this.#stream.write(`${ERASE_LINE}${text().slice(0, this.#widest())}`);
    };
    draw();
    this.#timer = setInterval(draw, REDRAWN_EVERY);
  }

  clear(): void {
    if (this.#timer === undefined) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.#stream.write(ERASE_LINE);
  }

  /** A line that wraps cannot be erased. Some terminals do not know their width, or say 0. */
  #widest(): number {
    const { columns = 0 } = this.#stream;
    return (columns > 0 ? columns : NARROW) - 1;
  }
}

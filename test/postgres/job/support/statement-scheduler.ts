import { setImmediate as afterAnswers } from 'node:timers/promises';
import type { Connection, DatabaseAddress } from '../../../../src/postgres/connection/database.ts';

/** Milliseconds after which anyone who has not come back is taken to wait for someone's lock. */
const PATIENCE = 4;

/** Someone before the scheduler. */
interface Waiting {
  readonly name: string;
  readonly statement: string;
  /** Passes only while someone else stands before a statement that has this in it, or no one else is there. */
  readonly beside: string;
  readonly go: () => void;
}

/**
 * Lets one statement through at a time, of all who stand before it, and the next only once everybody is back or waits
 * for a lock: the order of statements is then the choices' alone.
 */
export class StatementScheduler {
  readonly #choices: Iterator<number>;
  #waiting: Waiting[] = [];
  #underWay = 0;
  #opening = 0;
  /** Ends the wait for something to happen. */
  #wake: () => void = () => undefined;

  /** `choices`: any numbers, each of which picks the next one to pass. */
  constructor(choices: Iterator<number>) {
    this.#choices = choices;
  }

  /** Waits for its turn, then does `act`. `beside`: see `Waiting`; default: any turn. */
  async pass<T>(name: string, statement: string, act: () => Promise<T>, beside = ''): Promise<T> {
    await new Promise<void>((go) => {
      this.#waiting.push({ name, statement, beside, go });
      this.#wake();
    });
    try {
      return await act();
    } finally {
      this.#underWay -= 1;
      this.#wake();
    }
  }

  /** Does what waits for no one's lock, such as opening a connection: no one passes before it is done. */
  async meanwhile<T>(act: () => Promise<T>): Promise<T> {
    this.#opening += 1;
    try {
      return await act();
    } finally {
      this.#opening -= 1;
      this.#wake();
    }
  }

  /** Lets everybody through, one after the other, until `all` is settled. */
  async runUntil(all: Promise<unknown>): Promise<void> {
    let isSettled = false;
    const settled = all.finally(() => {
      isSettled = true;
      this.#wake();
    });
    settled.catch(() => undefined);
    const isOver = () => isSettled;
    while (!isOver()) {
      await this.#quiet();
      const able = this.#waiting
        .filter((one) => this.#mayPass(one))
        .sort((one, other) => (one.name < other.name ? -1 : 1));
      if (able.length === 0) continue;
      const next = able[Number(this.#choices.next().value) % able.length];
      this.#waiting = this.#waiting.filter((one) => one !== next);
      this.#underWay += 1;
      next?.go();
    }
    await settled;
  }

  #mayPass(one: Waiting): boolean {
    const others = this.#waiting.filter((other) => other !== one);
    return others.length === 0 || one.beside === '' || others.some(({ statement }) => statement.includes(one.beside));
  }

  /** Until everybody has come back, or for as long as `PATIENCE`. */
  async #quiet(): Promise<void> {
    const until = Date.now() + PATIENCE;
    await afterAnswers();
    const isPatient = () => (this.#underWay > 0 || this.#waiting.length === 0) && Date.now() < until;
    while (this.#opening > 0 || isPatient()) await this.#change(this.#opening > 0 ? undefined : until - Date.now());
    await afterAnswers();
  }

  /** Until something happens, or `milliseconds` have passed. */
  async #change(milliseconds: number | undefined): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer = milliseconds === undefined ? undefined : setTimeout(resolve, milliseconds);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    await afterAnswers();
  }
}

/** A process within this one: all of its statements pass one scheduler, before which it may also die. */
export class GatedProcess {
  readonly #name: string;
  readonly #scheduler: StatementScheduler;
  readonly #diesAfter: number;
  readonly #sessions: Connection[] = [];
  #statements = 0;
  /** Resolves when it has died, and all of its connections with it. */
  readonly died: Promise<void>;
  #die: () => void = () => undefined;

  /** `diesAfter`: how many statements it gets answers to; before the next it vanishes without a word. */
  constructor(name: string, scheduler: StatementScheduler, diesAfter = Infinity) {
    this.#name = name;
    this.#scheduler = scheduler;
    this.#diesAfter = diesAfter;
    this.died = new Promise((resolve) => {
      this.#die = resolve;
    });
  }

  /** Opens a connection of this process. */
  async open(database: DatabaseAddress, open: (database: DatabaseAddress) => Promise<Connection>): Promise<Connection> {
    const session = await this.#scheduler.meanwhile(() => open(database));
    this.#sessions.push(session);
    const name = `${this.#name}.${this.#sessions.length}`;
    const rows = session.rows.bind(session);
    const change = session.change.bind(session);
    session.rows = (...of) => this.#live(name, of[0], () => rows(...of));
    const rowsByPlan = session.rowsByPlan.bind(session);
    session.rowsByPlan = (...of) => this.#live(name, of[0], () => rowsByPlan(...of));
    const copyRows = session.copyRows.bind(session);
    session.copyRows = (...of) => this.#live(name, of[0], () => copyRows(...of));
    session.change = (...of) => this.#live(name, of[0], () => change(...of));
    return session;
  }

  async #live<T>(name: string, statement: string, act: () => Promise<T>): Promise<T> {
    const isAlive = await this.#scheduler.pass(name, statement, async () => {
      this.#statements += 1;
      if (this.#statements <= this.#diesAfter) return { answer: await act() };
      for (const session of this.#sessions.splice(0)) await session.close();
      this.#die();
      return undefined;
    });
    return isAlive === undefined ? await new Promise<never>(() => undefined) : isAlive.answer;
  }
}

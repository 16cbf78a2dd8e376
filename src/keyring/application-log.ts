/**
 * Every line that an application's ring can write, by the name in its field `event`. Log queries match on these names,
 * so a name never changes.
 */
export const APPLICATION_EVENTS = {
  encryption_key_fetched_from_aws: { level: 'INFO', message: 'A key was read from AWS Secrets Manager' },
  aws_unavailable_using_env_fallback: {
    level: 'WARNING',
    message:
      'AWS Secrets Manager gave no key, so ENCRYPTION_MASTER_KEY encrypts until it does. What is written now can be read only while that variable is set, unless its key is on the ring',
  },
  env_fallback_ended: {
    level: 'INFO',
    message: 'AWS Secrets Manager gave the current key, which encrypts from now on',
  },
  env_key_set_in_production: {
    level: 'WARNING',
    message:
      'ENCRYPTION_MASTER_KEY is set in production. It belongs in no production environment: take it out, after what it may have written is on the ring (put --not-current)',
  },
  env_key_not_on_ring: {
    level: 'WARNING',
    message:
      'ENCRYPTION_MASTER_KEY holds a key that is not on the ring. What it encrypted can be read only while the variable is set: add it with put --not-current, then unset it',
  },
  key_ring_refresh_failed: {
    level: 'WARNING',
    message: 'The ring could not be refreshed and goes on with what it has; it keeps asking',
  },
  key_ring_refreshed_again: { level: 'INFO', message: 'The ring could be refreshed again' },
  ring_key_unreadable: {
    level: 'WARNING',
    message: 'A key of the ring cannot be read; rows under it cannot be decrypted now',
  },
  ring_key_forgotten: {
    level: 'INFO',
    message: 'A key was retired, so this process has forgotten it: rows under it cannot be decrypted any more',
  },
  ring_key_lost_label: {
    level: 'WARNING',
    message:
      'A key has lost its labels without a record of its retirement. This process still reads with it, but AWS may delete its version: label it again with adopt --version-id',
  },
  encryption_stopped: {
    level: 'ERROR',
    message: 'AWS Secrets Manager has not confirmed the current key for too long; encrypting fails, decrypting goes on',
  },
} as const satisfies Record<string, { level: 'INFO' | 'WARNING' | 'ERROR'; message: string }>;

export type ApplicationEvent = keyof typeof APPLICATION_EVENTS;

/** One line of the log. Plain values only, so that no key can be handed over by mistake. */
export interface ApplicationLogEntry {
  /** ISO 8601, UTC. */
  readonly timestamp: string;
  readonly level: 'INFO' | 'WARNING' | 'ERROR';
  readonly event: ApplicationEvent;
  readonly message: string;
  readonly [field: string]: string | number | undefined;
}

/**
 * Takes the log of a ring. It must not block; what it throws, or its promise rejects with, is ignored, since no row may
 * be lost for a log line.
 */
export type ApplicationLogger = (entry: ApplicationLogEntry) => unknown;

export type ApplicationLog = (event: ApplicationEvent, fields: Readonly<Record<string, string | number>>) => void;

/** One JSON object a line on standard error, with the fields that the guide's queries expect. */
export const jsonLinesToStandardError: ApplicationLogger = (entry) => {
  process.stderr.write(`${JSON.stringify(entry)}\n`);
};

/** A log with date, level and message put to each event. `wall`: milliseconds since 1970. */
export function applicationLog(logger: ApplicationLogger, wall: () => number): ApplicationLog {
  return (event, fields) => {
    const { level, message } = APPLICATION_EVENTS[event];
    ignoreErrors(() => logger({ timestamp: new Date(wall()).toISOString(), level, event, message, ...fields }));
  };
}

/** Calls what the application brought: neither an error nor a rejected promise of its own gets any further. */
export function ignoreErrors(act: () => unknown): void {
  try {
    Promise.resolve(act()).catch(() => undefined);
  } catch {
    // A broken logger is the logger's trouble.
  }
}

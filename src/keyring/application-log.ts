/** Every line that a ring can log, by its field `event`. Log queries match on these names: they never change. */
export const APPLICATION_EVENTS = {
  encryption_key_fetched_from_aws: { level: 'INFO', message: 'A key was read from AWS Secrets Manager' },
  aws_unavailable_using_env_fallback: {
    level: 'WARNING',
    message:
      'AWS Secrets Manager did not return a key, so ENCRYPTION_MASTER_KEY encrypts until it does. Data written ' +
      'now can be read only while that variable is set, unless its key is on the ring',
  },
  env_fallback_ended: {
    level: 'INFO',
    message: 'AWS Secrets Manager returned the current key, which encrypts from now on',
  },
  env_key_set_in_production: {
    level: 'WARNING',
    message:
      'ENCRYPTION_MASTER_KEY is set in production, where it does not belong. Add its key to the ring (put ' +
      '--not-current) if it may have encrypted data, then unset the variable',
  },
  env_key_not_on_ring: {
    level: 'WARNING',
    message:
      'ENCRYPTION_MASTER_KEY holds a key that is not on the ring. Data encrypted with it can be read only while ' +
      'the variable is set: add it with put --not-current, then unset it',
  },
  key_ring_refresh_failed: {
    level: 'WARNING',
    message: 'The ring could not be refreshed. It keeps using the cached keys and tries again',
  },
  key_ring_refreshed_again: { level: 'INFO', message: 'The ring is refreshed again after a failure' },
  ring_key_unreadable: {
    level: 'WARNING',
    message: 'A key of the ring cannot be read, so rows under it cannot be decrypted now',
  },
  ring_key_forgotten: {
    level: 'INFO',
    message: 'A key was retired, so this process has forgotten it and can no longer decrypt rows under it',
  },
  ring_key_lost_label: {
    level: 'WARNING',
    message:
      'A key has lost its labels without a retirement record. This process still reads with it, but AWS may ' +
      'delete its version: label it again with adopt --version-id',
  },
  encryption_stopped: {
    level: 'ERROR',
    message:
      'AWS Secrets Manager has not confirmed the current key for too long, so encryption fails. Decryption still ' +
      'works',
  },
  key_usage: {
    level: 'INFO',
    message: 'How often this process has encrypted with a key. All processes together may do so 2^32 times',
  },
  key_exhausted: {
    level: 'ERROR',
    message: 'This process has encrypted 2^32 times with a key and stops, because no nonce may repeat: rotate the key',
  },
} as const satisfies Record<string, { level: 'INFO' | 'WARNING' | 'ERROR'; message: string }>;

export type ApplicationEvent = keyof typeof APPLICATION_EVENTS;

/** Plain values only, so that no key is logged by mistake. */
export interface ApplicationLogEntry {
  /** ISO 8601, UTC. */
  readonly timestamp: string;
  readonly level: 'INFO' | 'WARNING' | 'ERROR';
  readonly event: ApplicationEvent;
  readonly message: string;
  readonly [field: string]: string | number | undefined;
}

/** Receives the log of a ring. It must not block. Its exceptions and rejections are ignored. */
export type ApplicationLogger = (entry: ApplicationLogEntry) => unknown;

export type ApplicationLog = (event: ApplicationEvent, fields: Readonly<Record<string, string | number>>) => void;

export const jsonLinesToStandardError: ApplicationLogger = (entry) => {
  process.stderr.write(`${JSON.stringify(entry)}\n`);
};

export function applicationLog(logger: ApplicationLogger, wall: () => number): ApplicationLog {
  return (event, fields) => {
    const { level, message } = APPLICATION_EVENTS[event];
    ignoreErrors(() => logger({ timestamp: new Date(wall()).toISOString(), level, event, message, ...fields }));
  };
}

export function ignoreErrors(act: () => unknown): void {
  try {
    Promise.resolve(act()).catch(() => undefined);
  } catch {
    // The logger was the only place to report it.
  }
}

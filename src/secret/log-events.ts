/** The Lambda's lines by their field `event`. Alarms and queries match on these names: they never change. */
export const LOG_EVENTS = {
  rotation_step_started: { level: 'info', message: 'A step of the rotation begins' },
  rotation_step_finished: { level: 'info', message: 'A step of the rotation is done' },
  rotation_step_failed: { level: 'error', message: 'A step of the rotation failed; Secrets Manager tries again' },
  step_started_again: { level: 'warn', message: 'A label moved under the step; it starts again with all checks' },
  already_current: { level: 'info', message: 'The version of this token is AWSCURRENT already; nothing to promote' },
  key_created: { level: 'info', message: 'A new key is stored under AWSPENDING' },
  key_kept: { level: 'info', message: 'The key that an earlier attempt stored under this token is used' },
  key_numbered: { level: 'info', message: 'A version got its key number' },
  key_proven: { level: 'info', message: 'The pending key passed, and every key of the ring can be read' },
  key_promoted: { level: 'info', message: 'The new key is AWSCURRENT' },
  number_put_back: { level: 'error', message: 'A numbering label was lost during a step and is back on its version' },
  unnumbered_version_is_not_a_key: {
    level: 'warn',
    message: 'A version holds no valid key, so it never encrypted anything and stays without a number',
  },
  version_not_visible_yet: { level: 'warn', message: 'A version cannot be read yet; trying again shortly' },
  adoption_failed: { level: 'error', message: 'The key ring could not be adopted' },
  key_ring_state: { level: 'info', message: 'The state of the key ring' },
} as const satisfies Record<string, { level: 'info' | 'warn' | 'error'; message: string }>;

export type LogEvent = keyof typeof LOG_EVENTS;

/** Plain values only, so that no key material is logged by mistake. */
export type LogFields = Readonly<Record<string, string | number | boolean | undefined>>;

export type Log = (event: LogEvent, fields?: LogFields) => void;

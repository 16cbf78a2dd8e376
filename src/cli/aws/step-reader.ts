import type { LogEvent } from '../../secret/log-events.ts';
import type { StepLine } from '../ring/follow.ts';

/** The function's own lines about its steps. */
const OUTCOMES = {
  rotation_step_started: 'started',
  rotation_step_finished: 'finished',
  rotation_step_failed: 'failed',
} as const satisfies Partial<Record<LogEvent, StepLine['outcome']>>;

/** Lambda's lines about a function that could no longer log. */
const ENDS = ['Task timed out', 'Runtime exited'];

/** Lambda's line if the function does not start, for example because it cannot be imported. It has no request id. */
const NOT_STARTED = 'Uncaught Exception';

/** "Filter pattern syntax", unstructured log events: in a JSON line and in Lambda's own text. */
export const STEP_PATTERN = [...Object.keys(OUTCOMES), ...ENDS, NOT_STARTED].map((words) => `?"${words}"`).join(' ');

/**
 * `undefined` for a line that is not about a step of this rotation. A run that Lambda ended has the request id of its
 * first line.
 */
export function stepReader(versionId: string): (message: string) => StepLine | undefined {
  const stepOfRequest = new Map<string, string>();
  return (message) => {
    const line = jsonObject(message);
    if (line === undefined) return killed(message, stepOfRequest) ?? notStarted(message);
    const { event, step, versionId: of, function_request_id: requestId, code, reason } = line;
    if (of !== versionId || typeof step !== 'string' || !isStepEvent(event)) return undefined;
    if (typeof requestId === 'string') stepOfRequest.set(requestId, step);
    const outcome = OUTCOMES[event];
    if (outcome !== 'failed') return { step, outcome };
    return { step, outcome, reason: [code, reason].filter((part) => typeof part === 'string').join(': ') };
  };
}

/** `… 3f9c… Task timed out after 30.00 seconds`, `RequestId: 3f9c… Error: Runtime exited with error: signal: killed`. */
function killed(message: string, stepOfRequest: ReadonlyMap<string, string>): StepLine | undefined {
  const at = Math.max(...ENDS.map((words) => message.indexOf(words)));
  const run = [...stepOfRequest].find(([requestId]) => message.includes(requestId));
  if (at < 0 || run === undefined) return undefined;
  return { step: run[1], outcome: 'failed', reason: (message.slice(at).split('\n')[0] ?? '').trim() };
}

/** `… undefined ERROR Uncaught Exception {"errorType":…}`. It names no rotation, so it concerns this one, too. */
function notStarted(message: string): StepLine | undefined {
  const at = message.indexOf(NOT_STARTED);
  const thrown = at < 0 ? undefined : jsonObject(message.slice(at + NOT_STARTED.length));
  if (thrown === undefined) return undefined;
  const said = [thrown['errorType'], thrown['errorMessage']].filter((part) => typeof part === 'string');
  return { step: 'the function', outcome: 'failed', reason: (said.join(': ').split('\n')[0] ?? '').trim() };
}

function jsonObject(text: string): Readonly<Partial<Record<string, unknown>>> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? { ...value } : undefined;
  } catch {
    return undefined;
  }
}

function isStepEvent(event: unknown): event is keyof typeof OUTCOMES {
  return typeof event === 'string' && Object.hasOwn(OUTCOMES, event);
}

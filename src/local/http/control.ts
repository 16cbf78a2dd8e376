import { parseBehaviour } from '../behaviour.ts';
import { durationInMilliseconds, isoDate } from '../clock.ts';
import { parseFault } from '../faults.ts';
import { isJsonObject, stringMember, type JsonObject } from '../json.ts';
import { LambdaError } from '../lambda/lambda-interface.ts';
import type { LocalSecretsManager } from '../local-secrets-manager.ts';
import type { Secret } from '../service/state.ts';
import { allVersions } from '../service/version-archive.ts';

/** No path of the real service begins so. */
export const CONTROL_PREFIX = '/_local/';

export interface ControlAnswer {
  readonly status: number;
  readonly body: JsonObject;
}

type Route = (service: LocalSecretsManager, body: JsonObject) => Promise<JsonObject> | JsonObject;

/**
 * The control path: how tests and people steer the local service over HTTP. JSON in, JSON out; no value of a secret
 * ever leaves here. Errors are `{"error": "..."}` with status 400, 404, 405 or (the Lambda failed) 502.
 *
 *     GET    /_local/state      secrets with their versions, labels and rotation, and what time it is
 *     GET    /_local/clock      {now}
 *     POST   /_local/clock      {"advance": "365d"} | {"to": "2030-01-01T00:00:00Z"} | {"toNextRotationOf": "name"}
 *                               due rotations run on the way; answers {now} when the last one has ended
 *     POST   /_local/faults     a fault or a list of them (faults.ts), such as
 *                               {"operation": "PutSecretValue", "nth": 2, "when": "after", "kind": "drop"}
 *     DELETE /_local/faults     forgets all faults
 *     GET    /_local/calls      {counts, calls}
 *     DELETE /_local/calls      forgets them
 *     GET    /_local/behaviour  how the service behaves where records differ (state.ts)
 *     POST   /_local/behaviour  some of the same members
 *     POST   /_local/tick       sends the Lambda its daily tick, and waits for it
 *     GET    /_local/rotations  {rotations}: token, attempts, steps, outcome and error of each
 *     GET    /_local/idle       answers when no rotation runs and no notice is being delivered
 */
export async function control(
  service: LocalSecretsManager,
  method: string | undefined,
  path: string,
  body: string,
): Promise<ControlAnswer> {
  const name = path.slice(CONTROL_PREFIX.length);
  const routes = Object.hasOwn(ROUTES, name) ? ROUTES[name] : undefined;
  if (routes === undefined) {
    return answer(404, {
      error: 'no such control path',
      paths: Object.keys(ROUTES).map((name) => CONTROL_PREFIX + name),
    });
  }
  const route = routes[method ?? ''];
  if (route === undefined) return answer(405, { error: `allowed here: ${Object.keys(routes).join(', ')}` });
  try {
    return answer(200, await route(service, parsedBody(body)));
  } catch (error) {
    if (error instanceof RangeError) return answer(400, { error: error.message });
    if (error instanceof LambdaError) return answer(502, { error: error.message, errorType: error.errorType });
    throw error;
  }
}

const ROUTES: Readonly<Record<string, Readonly<Record<string, Route>>>> = {
  state: { GET: stateSummary },
  clock: { GET: clockNow, POST: moveClock },
  faults: { POST: setFaults, DELETE: clearFaults },
  calls: { GET: ({ calls }) => ({ counts: calls.counts, calls: calls.calls }), DELETE: clearCalls },
  behaviour: { GET: ({ behaviour }) => ({ ...behaviour }), POST: setBehaviour },
  tick: { POST: tick },
  rotations: { GET: ({ history }) => ({ rotations: history.records }) },
  idle: { GET: idle },
};

function stateSummary(service: LocalSecretsManager): JsonObject {
  return {
    ...clockNow(service),
    region: service.region,
    secrets: Object.values(service.state.secrets).map(secretSummary),
  };
}

function secretSummary(secret: Secret): JsonObject {
  const { arn, name, rotation, deletion } = secret;
  return {
    arn,
    name,
    versions: allVersions(secret).map(([versionId, { value, stages, createdDate }]) => ({
      versionId,
      stages,
      created: isoDate(createdDate),
      hasValue: value !== undefined,
    })),
    ...(rotation === undefined ? {} : { rotation }),
    ...(deletion === undefined ? {} : { deletesAt: isoDate(deletion.deletesAt) }),
  };
}

function clockNow({ clock }: LocalSecretsManager): JsonObject {
  return { now: isoDate(clock.now()) };
}

async function moveClock(service: LocalSecretsManager, body: JsonObject): Promise<JsonObject> {
  const advance = stringMember(body, 'advance');
  const to = stringMember(body, 'to');
  const secretId = stringMember(body, 'toNextRotationOf');
  if (Object.keys(body).length !== 1) throw new RangeError(CLOCK_MEMBERS);
  if (advance !== undefined) await service.advance(durationInMilliseconds(advance));
  else if (to !== undefined) await service.advanceTo(momentOf(to));
  else if (secretId !== undefined) await service.advanceToNextRotation(secretId);
  else throw new RangeError(CLOCK_MEMBERS);
  return clockNow(service);
}

const CLOCK_MEMBERS = 'one of advance, to and toNextRotationOf is needed, a string, and nothing else';

function momentOf(date: string): number {
  const moment = Date.parse(date);
  if (Number.isNaN(moment)) throw new RangeError('to is not an ISO 8601 date');
  return moment;
}

function setFaults({ faults }: LocalSecretsManager, body: JsonObject): JsonObject {
  const { faults: list, ...others } = body;
  const isList = Array.isArray(list) && Object.keys(others).length === 0;
  const parsed = isList ? list.map(parseFault) : [parseFault(body)];
  for (const fault of parsed) faults.set(fault);
  return { set: parsed.length };
}

function clearFaults({ faults }: LocalSecretsManager): JsonObject {
  faults.clear();
  return {};
}

function clearCalls({ calls }: LocalSecretsManager): JsonObject {
  calls.clear();
  return {};
}

function setBehaviour(service: LocalSecretsManager, body: JsonObject): JsonObject {
  service.setBehaviour(parseBehaviour(body));
  return { ...service.behaviour };
}

async function tick(service: LocalSecretsManager): Promise<JsonObject> {
  await service.tick();
  return {};
}

async function idle(service: LocalSecretsManager): Promise<JsonObject> {
  await service.idle();
  return clockNow(service);
}

function parsedBody(body: string): JsonObject {
  if (body === '') return {};
  let parsed: unknown;
  try {
    parsed = JSON.parse(body);
  } catch {
    throw new RangeError('the body is not JSON');
  }
  if (Array.isArray(parsed)) return { faults: parsed };
  if (isJsonObject(parsed)) return parsed;
  throw new RangeError('the body is not a JSON object');
}

function answer(status: number, body: JsonObject): ControlAnswer {
  return { status, body };
}

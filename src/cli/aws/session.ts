import { SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import { KeyRotationError } from '../../format/error.ts';
import { LOG_EVENTS, type Log } from '../../secret/log-events.ts';
import { recorded, type Change } from './change.ts';
import { operatorSecrets } from './operator-secrets.ts';
import { whyNotAsked, whyNotAws, type OtherService } from './other-services.ts';
import { rehearsal } from './dry-run.ts';
import type { CommandDependencies, OperatorSecrets } from './operator.ts';
import { placeOf, type Answerer } from './place.ts';
import { mayBeElsewhere, placeAsked, wrongPlace } from './wrong-place.ts';
import { confirmation } from '../confirmation.ts';
import { given } from '../process-io.ts';
import { profileNames } from './profiles.ts';
import type { ProcessIo } from '../process-io.ts';
import { limited } from './call-limits.ts';
import { clientSettings } from './client-settings.ts';

export interface CommonOptions {
  readonly secretId?: string;
  readonly region?: string;
  readonly endpointUrl?: string;
  readonly profile?: string;
  readonly json?: boolean;
  readonly dryRun?: boolean;
  readonly yes?: boolean;
  /** The answer that confirms a forced command. */
  readonly confirm?: string;
}

export interface AwsSession {
  readonly deps: CommandDependencies;
  readonly client: SecretsManagerClient;
  /** For another secret of the same account and endpoint; by default in the region of this one. */
  readonly clientIn: (region: string | undefined) => SecretsManagerClient;
  readonly secretId: string;
  /** For the screen. Known once the secret was described. */
  readonly place: () => string;
  /** As far as options and variables say. The SDK may find a region in the profile. */
  readonly region: string | undefined;
  /** Milliseconds by which AWS's clock was ahead in its last answer. */
  readonly clockOffset: () => number | undefined;
  /** `undefined` if it is AWS's. */
  readonly whyNotAws: () => string | undefined;
  readonly changes: readonly Change[];
  /** One line each. */
  readonly warnings: readonly string[];
  readonly warn: (text: string) => void;
  /** Of the last call to Secrets Manager, if it failed after its retries. */
  readonly lastFailure: () => unknown;
  /** `undefined` if the service may be called. Known once Secrets Manager has answered. */
  readonly whyNotAsked: (service: OtherService) => string | undefined;
}

/** Milliseconds. Nothing enforces it, but what waits for AWS needs a limit. */
const TIME_LIMIT = 3_600_000;

/** Calls nothing. Throws `INVALID_SETTINGS` if no secret is named. */
export function openSession(world: ProcessIo, options: CommonOptions): AwsSession {
  const { environment } = world;
  const secretId = options.secretId ?? given(environment, 'SECRETS_MANAGER_KEY_NAME');
  if (secretId === undefined) {
    throw new KeyRotationError(
      'INVALID_SETTINGS',
      'Which secret? Name it with --secret-id, or set SECRETS_MANAGER_KEY_NAME as for the application.',
    );
  }
  const region = options.region ?? given(environment, 'AWS_REGION') ?? given(environment, 'AWS_DEFAULT_REGION');
  const client = clientFor(options, region);
  const changes: Change[] = [];
  const warnings: string[] = [];
  const log: Log = (event, fields = {}) => {
    const { level, message } = LOG_EVENTS[event];
    if (level === 'info') return;
    const about = Object.entries(fields).map(([name, value]) => `${name} ${value ?? ''}`);
    const warning = `${message} (${about.join(', ')}).`;
    if (!warnings.includes(warning)) warnings.push(warning);
  };
  let arn: string | undefined;
  const clientIn = (other: string | undefined) => clientFor(options, other ?? region);
  const calls = operatorSecrets(client);
  const real: OperatorSecrets = {
    ...calls,
    describeSecret: async (input) => {
      const answer = await calls.describeSecret(input).catch(async (error: unknown) => {
        throw mayBeElsewhere(error)
          ? await wrongPlace(error, await placeAsked(client, clientIn, secretId, environment))
          : error;
      });
      arn = answer.ARN;
      return answer;
    },
  };
  const { clockOffset, answeredBy, lastFailure } = watchAnswers(client, world);
  const awsNow = (): Date => new Date(world.now().getTime() + (clockOffset() ?? 0));
  const started = world.now().getTime();
  const place = (): string => placeOf(arn, answeredBy());
  return {
    deps: {
      secrets: recorded(options.dryRun === true ? rehearsal(real) : real, (change) => changes.push(change)),
      secretId,
      log,
      randomKey: world.randomKey,
      newVersionId: world.newVersionId,
      now: awsNow,
      sleep: saying(world),
      remainingTime: () => TIME_LIMIT - (world.now().getTime() - started),
      proven: new Set(),
      confirm: confirmation(world, options, () => `${secretId} (${place()})`),
    },
    client,
    clientIn,
    secretId,
    place,
    region,
    clockOffset,
    changes,
    warnings,
    warn: (text) => warnings.push(text),
    lastFailure,
    whyNotAws: () => whyNotAws(answeredBy()?.host),
    whyNotAsked: (service) => whyNotAsked(service, answeredBy()?.host, environment),
  };
}

/** Milliseconds after which a silent command looks as if it hung. */
const LONG = 5000;

/** Says once why a command waits, to a person at a terminal. */
function saying({ sleep, stderr }: ProcessIo): ProcessIo['sleep'] {
  let isSaid = stderr.isTTY !== true;
  return (milliseconds) => {
    if (milliseconds >= LONG && !isSaid) {
      isSaid = true;
      stderr.write('AWS may be a few seconds behind: looking again.\n');
    }
    return sleep(milliseconds);
  };
}

/** The SDK's own. */
const ENDPOINT_VARIABLES = ['AWS_ENDPOINT_URL_SECRETS_MANAGER', 'AWS_ENDPOINT_URL'];

/** Throws `INVALID_SETTINGS` where the SDK's message would be unclear: an unknown profile, no address, no region. */
export async function requireSettings(
  { client }: AwsSession,
  { environment }: ProcessIo,
  { profile, endpointUrl }: CommonOptions,
): Promise<void> {
  const invalid = (message: string) => new KeyRotationError('INVALID_SETTINGS', message);
  const named = profile ?? given(environment, 'AWS_PROFILE');
  if (named !== undefined && named !== 'default') {
    const names = await profileNames(environment);
    if (!names.has(named)) {
      const known = names.size === 0 ? 'They name no profile.' : `They have: ${[...names].join(', ')}.`;
      throw invalid(
        `There is no profile '${named}' in AWS's configuration files (${profile === undefined ? 'AWS_PROFILE' : '--profile'}). ${known}`,
      );
    }
  }
  const endpoint = ENDPOINT_VARIABLES.find((name) => given(environment, name) !== undefined);
  if (endpointUrl === undefined && endpoint !== undefined && !isHttpUrl(environment[endpoint] ?? '')) {
    throw invalid(
      `The environment variable ${endpoint} must hold an http:// or https:// address, found '${environment[endpoint] ?? ''}'.`,
    );
  }
  try {
    await client.config.region();
  } catch {
    throw invalid(
      'Which region? Name it with --region, set AWS_REGION as for the application, or name a --profile that has ' +
        'one.',
    );
  }
}

export function isHttpUrl(text: string): boolean {
  return URL.canParse(text) && /^https?:$/.test(new URL(text).protocol);
}

export function clientFor(options: CommonOptions, region: string | undefined): SecretsManagerClient {
  return limited(
    new SecretsManagerClient({
      ...clientSettings(options, region),
      maxAttempts: 3,
      ...(options.endpointUrl === undefined ? {} : { endpoint: options.endpointUrl }),
    }),
  );
}

interface Answers {
  readonly clockOffset: AwsSession['clockOffset'];
  readonly answeredBy: () => Answerer | undefined;
  readonly lastFailure: AwsSession['lastFailure'];
}

/**
 * A wrong clock here must not let a retirement through. The date of an answer has whole seconds: less than a minute
 * counts as none.
 */
function watchAnswers(client: SecretsManagerClient, world: ProcessIo): Answers {
  let offset: number | undefined;
  let answerer: Answerer | undefined;
  let failure: unknown;
  client.middlewareStack.add(
    (next) => (args) =>
      next(args).catch((error: unknown) => {
        failure = error;
        throw error;
      }),
    { step: 'initialize', name: 'watchFailures' },
  );
  client.middlewareStack.add(
    (next) => async (args) => {
      const result = await next(args);
      const { response } = result;
      const date = isAnswer(response) ? Date.parse(response.headers['date'] ?? '') : NaN;
      if (!Number.isNaN(date)) offset = date - world.now().getTime();
      answerer = answererIn(args.request) ?? answerer;
      return result;
    },
    { step: 'deserialize', name: 'watchAnswers', priority: 'low' },
  );
  return {
    clockOffset: () => (offset === undefined || Math.abs(offset) > 60_000 ? offset : 0),
    answeredBy: () => answerer,
    lastFailure: () => failure,
  };
}

function answererIn(request: unknown): Answerer | undefined {
  if (typeof request !== 'object' || request === null || !('hostname' in request)) return undefined;
  const { hostname } = request;
  if (typeof hostname !== 'string') return undefined;
  const protocol = 'protocol' in request && request.protocol === 'http:' ? 'http:' : 'https:';
  const port = 'port' in request && typeof request.port === 'number' ? `:${request.port}` : '';
  return { host: hostname, url: `${protocol}//${hostname}${port}` };
}

function isAnswer(response: unknown): response is { readonly headers: Readonly<Record<string, string | undefined>> } {
  return (
    typeof response === 'object' && response !== null && 'headers' in response && typeof response.headers === 'object'
  );
}

import { SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import { KeyRotationError } from '../keyring/error.ts';
import { LOG_EVENTS, type Log } from '../steps/log-events.ts';
import { recorded, type Change } from './aws/change.ts';
import { operatorSecrets } from './aws/operator-secrets.ts';
import { rehearsal } from './aws/rehearsal.ts';
import type { CommandDependencies } from './dependencies.ts';
import { confirmation } from './confirmation.ts';
import type { World } from './world.ts';

/** Options of every command that talks to AWS. */
export interface CommonOptions {
  readonly secretId?: string;
  readonly region?: string;
  readonly endpointUrl?: string;
  readonly profile?: string;
  readonly json?: boolean;
  readonly dryRun?: boolean;
  readonly yes?: boolean;
  /** What a forced command has to be told again. */
  readonly confirm?: string;
}

/** A command's way to AWS, and what it did there. */
export interface Session {
  readonly deps: CommandDependencies;
  readonly client: SecretsManagerClient;
  readonly secretId: string;
  /** Where the secret is, as far as it was said; the SDK may find a region in the profile. */
  readonly region: string | undefined;
  readonly changes: readonly Change[];
  /** What stood out on the way, one line each. */
  readonly warnings: readonly string[];
}

/** Milliseconds that a command may take; nothing kills it, but what waits for AWS counts on some end. */
const TIME_LIMIT = 3_600_000;

/** Opens a session. Throws `INVALID_SETTINGS` where no secret is named. Nothing is asked of AWS yet. */
export function openSession(world: World, options: CommonOptions): Session {
  const secretId = options.secretId ?? given(world, 'SECRETS_MANAGER_KEY_NAME');
  if (secretId === undefined) {
    throw new KeyRotationError(
      'INVALID_SETTINGS',
      'Which secret? Name it with --secret-id, or set SECRETS_MANAGER_KEY_NAME as for the application.',
    );
  }
  const region = options.region ?? given(world, 'AWS_REGION') ?? given(world, 'AWS_DEFAULT_REGION');
  const client = clientFor(options, region);
  const changes: Change[] = [];
  const warnings: string[] = [];
  const log: Log = (event, fields = {}) => {
    const { level, message } = LOG_EVENTS[event];
    if (level === 'info') return;
    const about = Object.entries(fields).map(([name, value]) => `${name} ${value ?? ''}`);
    warnings.push(`${message} (${about.join(', ')}).`);
  };
  const real = operatorSecrets(client);
  const started = world.now().getTime();
  return {
    deps: {
      secrets: recorded(options.dryRun === true ? rehearsal(real) : real, (change) => changes.push(change)),
      secretId,
      log,
      randomKey: world.randomKey,
      newVersionId: world.newVersionId,
      now: world.now,
      sleep: world.sleep,
      remainingTime: () => TIME_LIMIT - (world.now().getTime() - started),
      proven: new Set(),
      confirm: confirmation(world, options),
    },
    client,
    secretId,
    region,
    changes,
    warnings,
  };
}

/** A client as the options ask for it; every call ends, with an answer or without. */
export function clientFor(options: CommonOptions, region: string | undefined): SecretsManagerClient {
  return new SecretsManagerClient({
    maxAttempts: 3,
    // Without these the SDK waits for ever for an endpoint that takes the connection and never answers.
    requestHandler: { connectionTimeout: 3000, requestTimeout: 10_000 },
    ...(region === undefined ? {} : { region }),
    ...(options.endpointUrl === undefined ? {} : { endpoint: options.endpointUrl }),
    ...(options.profile === undefined ? {} : { profile: options.profile }),
  });
}

function given({ environment }: World, name: string): string | undefined {
  const value = environment[name];
  return value === '' ? undefined : value;
}

import { Command, InvalidArgumentError, Option } from 'commander';
import { BEHAVIOURS, parseBehaviour } from './behaviour.ts';
import type { Behaviour } from './service/state.ts';
import { withoutMember } from './service/without-member.ts';

/** The options of `npm run local -- ...`. */
export interface Settings {
  readonly port: number;
  /** Absent: an address that containers reach, too. */
  readonly host?: string;
  /** Names that clients use for this service, besides the usual ones. */
  readonly allowHost: readonly string[];
  readonly state?: string;
  readonly region: string;
  readonly accountId: string;
  /** Default: the built one. */
  readonly lambda?: string;
  readonly lambdaEndpoint?: string;
  readonly functionName?: string;
  readonly lambdaAccessKey?: string;
  /** The file to write for `sam local start-lambda --env-vars`. */
  readonly envVars?: string;
  /** The folder for the events of a rotation whose steps are run by hand. */
  readonly midRotation?: string;
  /** Whether to start a PostgreSQL with a filled table, and a secret to go with it. */
  readonly withPostgres?: boolean;
  readonly tries: number;
  readonly retryPause: number;
  readonly timeout: number;
  readonly notices: boolean;
  readonly behaviour: Partial<Behaviour>;
}

const AFTER_HELP = `
Examples:
  npm run local -- --port 4566
  npm run local -- --port 4566 --state .local-secrets.json
  npm run local -- --port 4566 --with-postgres

  A rotation step by step in Lambda's own container (once: sam build):
    npm run local -- --mid-rotation
    sam local invoke -e events/create-secret.json --env-vars events/env.json
    and so on with set-secret.json, test-secret.json and finish-secret.json

  Whole rotations in Lambda's own container:
    npm run local -- --lambda-endpoint http://127.0.0.1:3001 --env-vars events/env.json
    sam local start-lambda --env-vars events/env.json
    aws secretsmanager rotate-secret ..., with the address that the first one prints

Steering it, with JSON over HTTP (no value of a secret is ever shown):
  GET    /_local/state       secrets, versions, labels, rotation, time
  POST   /_local/clock       {"advance":"365d"}, {"to":"2030-01-01T00:00:00Z"} or {"toNextRotationOf":"NAME"}
  POST   /_local/faults      {"operation":"PutSecretValue","nth":1,"when":"after","kind":"drop"}
                             kind: error (type, message, status), throttle, delay (milliseconds), drop;
                             or {"kind":"fresh-version-not-seen","reads":2}
  DELETE /_local/faults      forget them
  GET    /_local/calls       which operations were called; DELETE forgets them
  GET    /_local/rotations   every rotation with its steps, outcome and error
  POST   /_local/behaviour   as --behaviour, a JSON object
  POST   /_local/tick        send the Lambda its daily tick
  GET    /_local/idle        answers when nothing runs

  curl -X POST http://127.0.0.1:4566/_local/clock -d '{"advance":"365d"}'

Exit codes: 0 ended as asked, 1 cannot start or continue, 2 wrong usage.
`;

/** `write` gets the help and the complaints. Throws `CommanderError`, with exit code 0 after the help. */
export function readCommandLine(argv: readonly string[], write?: (text: string) => void): Settings {
  const behaviourNames = Object.entries(BEHAVIOURS).map(([name, choices]) => `${name}=${choices.join('|')}`);
  const command = new Command('npm run local --')
    .description('A Secrets Manager for this machine: the real protocol, a rotation driver, a clock that can be moved.')
    .option('-p, --port <port>', 'where to listen; 0 for any free port', integer(0, 65_535), 4566)
    .option('--host <address>', 'on which address; with 0.0.0.0 every machine can reach it', '127.0.0.1')
    .option('--allow-host <name...>', 'a name that clients use for it, besides localhost, IP addresses and --host', [])
    .option('--state <file>', 'keep the state, values included, in this file (default: in memory)')
    .option('--region <region>', 'the region in ARNs', 'us-east-1')
    .addOption(new Option('--account-id <id>', 'the account in ARNs').default('123456789012').argParser(accountId))
    .option('--lambda <bundle>', 'the built Lambda, a file or folder (default: dist/lambda of this package)')
    .option('--lambda-endpoint <url>', 'invoke through this Lambda API instead, as of sam local start-lambda', httpUrl)
    .option('--function-name <name>', 'its name there (default: the one in RotationLambdaARN)')
    .option(
      '--lambda-access-key <id>',
      'the access key id of that Lambda, so that its own changes are recognized (default: what the SAM CLI uses)',
    )
    .option(
      '--env-vars <file>',
      'write the variables for sam local start-lambda there, and listen where containers can reach it',
    )
    .addOption(
      new Option(
        '--mid-rotation [folder]',
        "start with the guide's secret in the middle of a rotation and write the events of its four steps, and env.json",
      )
        .preset('events')
        .conflicts(['state', 'lambda', 'lambdaEndpoint', 'envVars']),
    )
    .addOption(
      new Option(
        '--with-postgres',
        "also start a PostgreSQL with a filled table, and the guide's secret rotated once, to try the runbooks",
      ).conflicts(['state', 'lambdaEndpoint', 'envVars', 'midRotation']),
    )
    .option('--tries <n>', 'how often a rotation is tried before the next window', integer(1, 100), 3)
    .option('--retry-pause <ms>', 'milliseconds between two tries', integer(0, 3_600_000), 1000)
    .option('--timeout <seconds>', "the Lambda's time limit", integer(1, 900), 30)
    .option('--notices', 'send the Lambda notices of changes by hand (default, except with --lambda-endpoint)')
    .option('--no-notices', 'send none')
    .option('--behaviour <name=choice>', `may be repeated: ${behaviourNames.join(', ')}`, behaviour, {})
    .addHelpText('after', AFTER_HELP)
    .allowExcessArguments(false)
    .exitOverride();
  if (write !== undefined) command.configureOutput({ writeOut: write, writeErr: write });
  command.parse([...argv]);
  const options = command.opts<Omit<Settings, 'notices'> & { readonly notices?: boolean }>();
  // A function that is not ours expects rotation steps only.
  const settings: Settings = { ...options, notices: options.notices ?? options.lambdaEndpoint === undefined };
  const isForContainers = settings.midRotation !== undefined || settings.envVars !== undefined;
  if (!isForContainers || command.getOptionValueSource('host') !== 'default') return settings;
  return withoutMember(settings, 'host');
}

function integer(least: number, most: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (!/^\d+$/.test(text) || value < least || value > most) {
      throw new InvalidArgumentError(`a whole number from ${least} to ${most} is needed`);
    }
    return value;
  };
}

function accountId(text: string): string {
  if (!/^\d{12}$/.test(text)) throw new InvalidArgumentError('an account id has 12 digits');
  return text;
}

function httpUrl(text: string): string {
  if (!URL.canParse(text) || !/^https?:$/.test(new URL(text).protocol)) {
    throw new InvalidArgumentError('an http:// or https:// address is needed');
  }
  return text;
}

function behaviour(text: string, earlier: Partial<Behaviour>): Partial<Behaviour> {
  const [name = '', choice = ''] = text.split('=');
  try {
    return { ...earlier, ...parseBehaviour({ [name]: choice }) };
  } catch (error) {
    throw new InvalidArgumentError(error instanceof Error ? error.message : 'unknown behaviour');
  }
}

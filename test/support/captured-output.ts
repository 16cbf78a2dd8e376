import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { LAMBDA_ACCESS_KEY_ID } from '../../src/local/caller.ts';
import { isJsonObject } from '../../src/local/json.ts';
import { LambdaError, type Invocation } from '../../src/local/lambda/lambda-interface.ts';

/**
 * Loads a bundle as Lambda's runtime does and runs the events that the parent sends; of an error it prints more than any
 * runtime does.
 */
const RUNNER = `
const { inspect } = require('node:util');
const { handler } = require(process.argv[1]);
const send = process.send.bind(process);
delete process.send;
process.on('message', ({ event, secretArn, remaining, end }) => {
  if (end) return process.disconnect();
  process.env.SECRET_ARN = secretArn;
  const deadline = Date.now() + remaining;
  const context = { functionName: 'rotation', getRemainingTimeInMillis: () => deadline - Date.now() };
  new Promise((resolve) => resolve(handler(event, context))).then(
    () => send({}),
    (error) => {
      console.error(error);
      console.error(inspect(error, { depth: 12, showHidden: true, maxStringLength: null, maxArrayLength: null }));
      console.error(JSON.stringify({ ...error, message: error.message, stack: error.stack, cause: error.cause }));
      send({ error: { code: error.code ?? error.name, message: error.message } });
    },
  );
});`;

/** A built bundle in a process of its own, all of whose output is kept. */
export class OverheardLambda {
  readonly #child: ChildProcess;
  readonly #death: Promise<never>;
  /** Milliseconds that each invocation has. */
  remaining = 30_000;
  #printed = '';

  constructor(bundle: string, endpoint: string, environment: Readonly<Record<string, string>>) {
    this.#child = spawn(process.execPath, ['-e', RUNNER, bundle], {
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
      env: {
        AWS_REGION: 'us-east-1',
        AWS_ACCESS_KEY_ID: LAMBDA_ACCESS_KEY_ID,
        AWS_SECRET_ACCESS_KEY: 'local',
        AWS_ENDPOINT_URL_SECRETS_MANAGER: endpoint,
        AWS_LAMBDA_FUNCTION_NAME: 'rotation',
        ...environment,
      },
    });
    this.#death = once(this.#child, 'close').then(() => {
      throw new Error(`the Lambda's process has died:\n${this.#printed}`);
    });
    this.#death.catch(() => undefined);
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      stream?.setEncoding('latin1').on('data', (text: string) => (this.#printed += text));
    }
  }

  /** Everything that was printed so far, byte for byte. */
  get printed(): string {
    return this.#printed;
  }

  readonly invoke = async ({ event, secretArn }: Pick<Invocation, 'event' | 'secretArn'>): Promise<null> => {
    this.#child.send({ event, secretArn, remaining: this.remaining });
    const [answer] = (await Promise.race([once(this.#child, 'message'), this.#death])) as [unknown];
    const error = isJsonObject(answer) ? answer['error'] : undefined;
    if (isJsonObject(error)) throw new LambdaError(String(error['code']), String(error['message']));
    return null;
  };

  /** Ends the process, and waits for the last that it has to say. */
  async end(): Promise<void> {
    if (this.#child.exitCode !== null) return;
    // The child itself lets go: Node 20 reports no 'close' of a child whose channel the parent has closed.
    this.#child.send({ end: true });
    await once(this.#child, 'close');
  }
}

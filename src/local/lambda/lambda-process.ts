import { randomUUID } from 'node:crypto';
import { spawn, type ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { LAMBDA_ACCESS_KEY_ID } from '../caller.ts';
import { isJsonObject, stringMember } from '../json.ts';
import { functionName, LambdaError, type Invocation, type Invoke } from './lambda-invocation.ts';

export interface LambdaProcessOptions {
  /** The built bundle, a module that exports `handler`. */
  readonly bundle: string;
  /** `lambda-runner.mjs`: beside this file in `src`, beside `local.mjs` when built. */
  readonly runner: string;
  /** Where the Lambda reaches the service. */
  readonly endpoint: () => string;
  readonly region: string;
  /** How far the service's clock is ahead of the real one, in milliseconds. */
  readonly clockOffset: () => number;
  /** Milliseconds; default 30 seconds. */
  readonly timeout?: number;
  /** Megabytes, as the Lambda sees them; default 256. */
  readonly memoryLimit?: number;
  /** Further environment variables; they win over the ones below. */
  readonly environment?: Readonly<Record<string, string>>;
  /** Gets each line that the Lambda writes; default: this process's standard error. */
  readonly log?: (line: string) => void;
}

const DEFAULT_TIMEOUT = 30_000;

/**
 * Runs the bundle in a fresh Node process for each invocation: a cold start, as in Lambda, with an environment of its
 * own. The event travels over the process's channel: a `RotationToken` has no place among the arguments.
 */
export function lambdaProcess(options: LambdaProcessOptions): Invoke {
  return async (invocation) => {
    if (invocation.signal.aborted) throw closing();
    const requestId = randomUUID();
    const timeout = options.timeout ?? DEFAULT_TIMEOUT;
    const child = spawn(process.execPath, [options.runner], {
      env: environmentOf(options, invocation),
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    });
    const logged = Promise.all([forward(child.stdout, options.log), forward(child.stderr, options.log)]);
    try {
      return await answerOf(child, invocation.signal, requestId, timeout, {
        bundle: options.bundle,
        event: invocation.event,
        clockOffset: options.clockOffset(),
        timeout,
        context: contextOf(options, invocation, requestId),
      });
    } finally {
      child.kill('SIGKILL');
      await logged;
    }
  };
}

function answerOf(
  child: ChildProcess,
  signal: AbortSignal,
  requestId: string,
  timeout: number,
  message: Readonly<Record<string, unknown>>,
): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const seconds = (timeout / 1000).toFixed(2);
    const fail = (type: string, text: string): void => {
      reject(new LambdaError(type, `RequestId: ${requestId} Error: ${text}`));
    };
    const timer = setTimeout(() => {
      fail('Sandbox.Timedout', `Task timed out after ${seconds} seconds`);
    }, timeout);
    const abort = (): void => {
      reject(closing());
    };
    signal.addEventListener('abort', abort, { once: true });
    const settled = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', abort);
    };
    child.once('message', (answer) => {
      settled();
      if (!isJsonObject(answer) || !isJsonObject(answer['error'])) {
        resolve(isJsonObject(answer) ? answer['result'] : null);
        return;
      }
      const { error } = answer;
      const trace = isJsonObject(error) && Array.isArray(error['trace']) ? error['trace'] : [];
      reject(
        new LambdaError(
          (isJsonObject(error) ? stringMember(error, 'errorType') : undefined) ?? 'Unknown',
          (isJsonObject(error) ? stringMember(error, 'errorMessage') : undefined) ?? '',
          trace.filter((line) => typeof line === 'string'),
        ),
      );
    });
    child.once('error', (error) => {
      settled();
      fail('Runtime.ExitError', `cannot start the Lambda's process: ${error.message}`);
    });
    // `close` and not `exit`: an answer that is still in the channel comes first.
    child.once('close', (code, killedBy) => {
      settled();
      fail('Runtime.ExitError', `Runtime exited with error: ${killedBy ?? `exit status ${code ?? 'unknown'}`}`);
    });
    child.send(message, (error) => {
      if (error !== null) fail('Runtime.ExitError', `the Lambda's process is gone: ${error.message}`);
    });
  });
}

/** The variables that Lambda defines ("Defined runtime environment variables") as far as a program may look at them. */
function environmentOf(options: LambdaProcessOptions, invocation: Invocation): Record<string, string> {
  const name = functionName(invocation.functionArn);
  return {
    AWS_ACCESS_KEY_ID: LAMBDA_ACCESS_KEY_ID,
    AWS_SECRET_ACCESS_KEY: 'local',
    AWS_REGION: options.region,
    AWS_DEFAULT_REGION: options.region,
    AWS_ENDPOINT_URL_SECRETS_MANAGER: options.endpoint(),
    AWS_LAMBDA_INITIALIZATION_TYPE: 'on-demand',
    AWS_LAMBDA_FUNCTION_NAME: name,
    AWS_LAMBDA_FUNCTION_VERSION: '$LATEST',
    AWS_LAMBDA_FUNCTION_MEMORY_SIZE: String(options.memoryLimit ?? 256),
    AWS_LAMBDA_LOG_GROUP_NAME: `/aws/lambda/${name}`,
    // The warning is about this machine's Node, not about the one that Lambda runs, and would be in every log.
    AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED: 'true',
    LANG: 'en_US.UTF-8',
    TZ: ':UTC',
    SECRET_ARN: invocation.secretArn,
    ...options.environment,
  };
}

function contextOf(options: LambdaProcessOptions, invocation: Invocation, awsRequestId: string): object {
  const name = functionName(invocation.functionArn);
  return {
    awsRequestId,
    functionName: name,
    functionVersion: '$LATEST',
    invokedFunctionArn: invocation.functionArn,
    memoryLimitInMB: String(options.memoryLimit ?? 256),
    logGroupName: `/aws/lambda/${name}`,
    logStreamName: 'local',
  };
}

async function forward(stream: Readable | null, log: LambdaProcessOptions['log']): Promise<void> {
  if (stream === null) return;
  for await (const line of createInterface({ input: stream })) {
    if (log === undefined) process.stderr.write(`${line}\n`);
    else log(line);
  }
}

function closing(): LambdaError {
  return new LambdaError('Local.Closing', 'The local service is closing');
}

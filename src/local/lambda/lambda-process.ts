import { randomUUID } from 'node:crypto';
import { spawn, type ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { LAMBDA_ACCESS_KEY_ID } from '../caller.ts';
import { isJsonObject, stringMember } from '../json.ts';
import { functionName, LambdaError, type Invocation, type Invoke } from './lambda-interface.ts';

export interface LambdaProcessOptions {
  /** A module that exports `handler`. */
  readonly bundle: string;
  /** `lambda-runner.mjs`: next to this file in `src`, beside `local.mjs` when built. */
  readonly runner: string;
  /** Where the Lambda reaches the service. */
  readonly endpoint: () => string;
  readonly region: string;
  /** Milliseconds by which the service's clock is ahead of the real one. */
  readonly clockOffset: () => number;
  /** Milliseconds; default 30,000. */
  readonly timeout?: number;
  /** Megabytes, as the Lambda sees them; default 256. */
  readonly memoryLimit?: number;
  /** Further environment variables; they override those of the Lambda. */
  readonly environment?: Readonly<Record<string, string>>;
  /** Keeps a process for the next invocation, as Lambda mostly does. Default: each one is a cold start. */
  readonly isKeptWarm?: boolean;
  /** Gets each line that the Lambda writes; default: standard error. */
  readonly log?: (line: string) => void;
}

const DEFAULT_TIMEOUT = 30_000;

interface Running {
  readonly child: ChildProcess;
  readonly logged: Promise<unknown>;
}

/** The event travels over the process's channel: a `RotationToken` must not be among the arguments. */
export function lambdaProcess(options: LambdaProcessOptions): Invoke {
  const { bundle, isKeptWarm = false, timeout = DEFAULT_TIMEOUT } = options;
  const warm: Running[] = [];
  return async (invocation) => {
    const { signal, event } = invocation;
    if (signal.aborted) throw closing();
    const requestId = randomUUID();
    const waiting = warm.pop();
    const running = waiting?.child.connected === true ? waiting : start(options, invocation);
    const message = { bundle, event, clockOffset: options.clockOffset(), timeout, isKeptWarm };
    const context = contextOf(options, invocation, requestId);
    let isReusable = false;
    try {
      const answer = await answerOf(running.child, signal, requestId, timeout, { ...message, context });
      isReusable = isKeptWarm && !signal.aborted;
      return answer;
    } finally {
      if (isReusable) warm.push(running);
      else {
        running.child.kill('SIGKILL');
        await running.logged;
      }
    }
  };
}

function start(options: LambdaProcessOptions, invocation: Invocation): Running {
  const child = spawn(process.execPath, [options.runner], {
    env: environmentOf(options, invocation),
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
  });
  if (options.isKeptWarm === true) {
    // The service closes while no invocation runs.
    invocation.signal.addEventListener('abort', () => child.kill('SIGKILL'), { once: true });
  }
  return { child, logged: Promise.all([forward(child.stdout, options.log), forward(child.stderr, options.log)]) };
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
      child.off('message', onMessage).off('error', onError).off('close', onClose);
    };
    const onMessage = (answer: unknown): void => {
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
    };
    const onError = (error: Error): void => {
      settled();
      fail('Runtime.ExitError', `cannot start the Lambda's process: ${error.message}`);
    };
    const onClose = (code: number | null, killedBy: NodeJS.Signals | null): void => {
      settled();
      fail('Runtime.ExitError', `Runtime exited with error: ${killedBy ?? `exit status ${code ?? 'unknown'}`}`);
    };
    // `close` and not `exit`: an answer that is still in the channel comes first.
    child.once('message', onMessage).once('error', onError).once('close', onClose);
    child.send(message, (error) => {
      if (error !== null) fail('Runtime.ExitError', `the Lambda's process is gone: ${error.message}`);
    });
  });
}

/** "Defined runtime environment variables", as far as a program may read them. */
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

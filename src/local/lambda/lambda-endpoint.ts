import { request as httpRequest } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { text as textOf } from 'node:stream/consumers';
import { messageOf } from '../error-message.ts';
import { functionName, LambdaError, type CanInvoke, type Invocation, type Invoke } from './lambda-interface.ts';
import { isJsonObject, stringMember } from '../json.ts';

const CHECK_TIMEOUT = 10_000;

export interface LambdaEndpointOptions {
  /** Such as the address that `sam local start-lambda` prints. */
  readonly url: string;
  /** Default: the name in the ARN of the secret's rotation Lambda. */
  readonly functionName?: string;
}

/** `POST /2015-03-31/functions/{name}/invocations` (Lambda API reference, "Invoke"). */
export function lambdaEndpoint(options: LambdaEndpointOptions): Invoke {
  return async (invocation) => {
    const response = await post(options, invocation, invocation.kind === 'event' ? 'Event' : 'RequestResponse');
    // `sam local start-lambda` before its pull request 8590 answers so to an asynchronous invocation.
    if (invocation.kind === 'event' && response.status === 501) {
      return resultOf(await post(options, invocation, 'RequestResponse'));
    }
    return resultOf(response);
  };
}

/** By a dry run ("Invoke", `InvocationType`), which `sam local start-lambda` answers with 501. */
export function lambdaEndpointCheck(options: LambdaEndpointOptions): CanInvoke {
  return async (functionArn) => {
    try {
      const { status } = await send(options, functionArn, 'DryRun', { signal: AbortSignal.timeout(CHECK_TIMEOUT) });
      return status !== 404 && status !== 403;
    } catch {
      return false;
    }
  };
}

interface Answer {
  readonly status: number;
  readonly hasErrorHeader: boolean;
  readonly text: string;
}

async function post(options: LambdaEndpointOptions, invocation: Invocation, invocationType: string): Promise<Answer> {
  const { event, functionArn, signal } = invocation;
  try {
    return await send(options, functionArn, invocationType, { body: JSON.stringify(event), signal });
  } catch (error) {
    throw new LambdaError(
      'Local.Unreachable',
      `No Lambda answers at ${addressOf(options, functionArn).href}: ${messageOf(error)}`,
    );
  }
}

/** Without a time limit: a function may run for 15 minutes, and `fetch` waits 5 for the first byte. */
function send(
  options: LambdaEndpointOptions,
  functionArn: string,
  invocationType: string,
  { body = '', signal }: { readonly body?: string; readonly signal: AbortSignal },
): Promise<Answer> {
  const url = addressOf(options, functionArn);
  const headers = {
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(body),
    'x-amz-invocation-type': invocationType,
  };
  const request = url.protocol === 'https:' ? httpsRequest : httpRequest;
  return new Promise((resolve, reject) => {
    // The other side may close a kept connection at the next request.
    request(url, { method: 'POST', headers, signal, agent: false }, (response) => {
      const { statusCode: status = 0, headers: answered } = response;
      const hasErrorHeader = answered['x-amz-function-error'] !== undefined;
      textOf(response).then((text) => {
        resolve({ status, hasErrorHeader, text });
      }, reject);
    })
      .on('error', reject)
      .end(body);
  });
}

function addressOf(options: LambdaEndpointOptions, functionArn: string): URL {
  const name = encodeURIComponent(options.functionName ?? functionName(functionArn));
  return new URL(`${options.url.replace(/\/+$/, '')}/2015-03-31/functions/${name}/invocations`);
}

function resultOf(response: Answer): unknown {
  const body = parsed(response.text);
  const members = isJsonObject(body) ? body : {};
  if (response.hasErrorHeader || hasErrorShape(members)) {
    const trace = members['stackTrace'] ?? members['trace'];
    throw new LambdaError(
      stringMember(members, 'errorType') ?? 'Unknown',
      stringMember(members, 'errorMessage') ?? 'the Lambda failed without a message',
      Array.isArray(trace) ? trace.filter((line) => typeof line === 'string') : [],
    );
  }
  if (response.status < 200 || response.status > 299) {
    const message = stringMember(members, 'Message') ?? stringMember(members, 'message') ?? 'no message';
    throw new LambdaError('Local.InvokeFailed', `The Lambda endpoint answered ${response.status}: ${message}`);
  }
  return body;
}

/** Some local endpoints leave the error header out; the result of a step never has this shape. */
function hasErrorShape(members: Readonly<Record<string, unknown>>): boolean {
  return typeof members['errorType'] === 'string' && typeof members['errorMessage'] === 'string';
}

function parsed(text: string): unknown {
  if (text === '') return null;
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

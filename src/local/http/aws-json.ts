import type { IncomingHttpHeaders } from 'node:http';
import { callerFromAuthorization, type Caller } from '../caller.ts';
import { isJsonObject, type JsonObject } from '../json.ts';
import { ServiceError } from '../service/service-error.ts';

/** The one media type of the protocol ("AWS JSON 1.1 protocol", Smithy). */
export const AWS_JSON = 'application/x-amz-json-1.1';

const TARGET_PREFIX = 'secretsmanager.';

/** The request does not speak AWS JSON 1.1 at all. */
export class NotAwsJson extends Error {
  constructor() {
    super('The request is not AWS JSON 1.1');
    this.name = 'NotAwsJson';
  }
}

/**
 * What a request's headers ask for. The order of the checks (protocol, operation, credentials) is ours: no record tells
 * what the service answers to a request with two faults.
 *
 * @throws {NotAwsJson | ServiceError}
 */
export function readHeaders(
  method: string | undefined,
  headers: IncomingHttpHeaders,
): {
  readonly operation: string;
  readonly caller: Caller;
} {
  const mediaType = headers['content-type']?.split(';')[0]?.trim().toLowerCase();
  if (method !== 'POST' || mediaType !== AWS_JSON) throw new NotAwsJson();
  const target = headers['x-amz-target'];
  if (typeof target !== 'string' || !target.startsWith(TARGET_PREFIX)) throw unknownOperation();
  return { operation: target.slice(TARGET_PREFIX.length), caller: readCaller(headers.authorization) };
}

function readCaller(authorization: string | undefined): Caller {
  if (authorization === undefined) {
    // A log of the real service (aws-sdk-cpp issue 2407) shows HTTP 400, this type and this message.
    throw new ServiceError('MissingAuthenticationTokenException', 'Missing Authentication Token');
  }
  const caller = callerFromAuthorization(authorization);
  if (caller === undefined) {
    throw new ServiceError('IncompleteSignatureException', "Authorization header requires 'Credential' parameter.");
  }
  return caller;
}

/** Services of this protocol answer an operation that they do not know with the type alone, without a message. */
function unknownOperation(): ServiceError {
  return new ServiceError('UnknownOperationException', '');
}

/**
 * The JSON object in a body. The answer to any other body follows records of Athena, a service of the same framework and
 * protocol: the type alone, but a message for a list.
 *
 * @throws {ServiceError} `SerializationException`
 */
export function readInput(body: string): JsonObject {
  let input: unknown;
  try {
    input = JSON.parse(body);
  } catch {
    throw new ServiceError('SerializationException', '');
  }
  if (isJsonObject(input)) return input;
  throw new ServiceError(
    'SerializationException',
    Array.isArray(input) ? 'Start of list found where not expected' : '',
  );
}

/** The body of an error: a bare `__type`, and `Message` where there is one. */
export function errorBody({ type, message }: ServiceError): JsonObject {
  return { __type: type, ...(message === '' ? {} : { Message: message }) };
}

import type { IncomingHttpHeaders } from 'node:http';
import { callerFromAuthorization, type Caller } from '../caller.ts';
import { isJsonObject, type JsonObject } from '../json.ts';
import { ServiceError } from '../service/service-error.ts';

/** "AWS JSON 1.1 protocol", Smithy. */
export const AWS_JSON = 'application/x-amz-json-1.1';

const TARGET_PREFIX = 'secretsmanager.';

export class NotAwsJson extends Error {
  constructor() {
    super('The request is not AWS JSON 1.1');
    this.name = 'NotAwsJson';
  }
}

/** The order of the checks is ours: no record has a request with two faults. Throws `NotAwsJson` or `ServiceError`. */
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
    // HTTP 400, type and message are from a log of the real service (aws-sdk-cpp issue 2407).
    throw new ServiceError('MissingAuthenticationTokenException', 'Missing Authentication Token');
  }
  const caller = callerFromAuthorization(authorization);
  if (caller === undefined) {
    throw new ServiceError('IncompleteSignatureException', "Authorization header requires 'Credential' parameter.");
  }
  return caller;
}

/** Services of this protocol answer an unknown operation with the type alone. */
function unknownOperation(): ServiceError {
  return new ServiceError('UnknownOperationException', '');
}

/** Throws `SerializationException` as recorded of Athena (the same framework): without a message, but for a list. */
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

export function errorBody({ type, message }: ServiceError): JsonObject {
  return { __type: type, ...(message === '' ? {} : { Message: message }) };
}

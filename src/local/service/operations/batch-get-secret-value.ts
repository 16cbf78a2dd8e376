import { present } from '../answer.ts';
import { pageOf } from '../page.ts';
import { invalidParameter, ServiceError } from '../service-error.ts';
import type { Outcome } from '../secrets.ts';
import type { batchGetSecretValue as shape } from '../shapes.ts';
import { type Read } from '../shapes.ts';
import type { CallContext, ServiceState } from '../state.ts';
import { getSecretValue } from './get-secret-value.ts';
import { secretsMatching } from './secret-filters.ts';

const PAGE_AT_MOST = 20;

/** Unreadable secrets are in `Errors`. (The wording of the refusals is on no record.) */
export function batchGetSecretValue(state: ServiceState, input: Read<typeof shape>, context: CallContext): Outcome {
  const { SecretIdList: ids, Filters: filters, MaxResults: maxResults } = input;
  if ((ids === undefined) === (filters === undefined)) {
    throw invalidParameter('You must include Filters or SecretIdList, but not both.');
  }
  if (maxResults !== undefined && filters === undefined) {
    throw invalidParameter('To use MaxResults, you must also use the Filters parameter.');
  }
  const wanted = ids ?? secretsMatching(state, filters ?? [], context.region).map((secret) => secret.arn);
  const page = pageOf(wanted, maxResults ?? PAGE_AT_MOST, input.NextToken);
  let latest = state;
  const values: Outcome['output'][] = [];
  const errors: Outcome['output'][] = [];
  for (const secretId of page.elements) {
    const read = tryToRead(latest, secretId, context);
    if (read instanceof ServiceError) {
      errors.push({ SecretId: secretId, ErrorCode: read.type, Message: read.message });
    } else {
      latest = read.state;
      values.push(read.output);
    }
  }
  return { state: latest, output: present({ SecretValues: values, NextToken: page.nextToken, Errors: errors }) };
}

function tryToRead(state: ServiceState, secretId: string, context: CallContext): Outcome | ServiceError {
  try {
    return getSecretValue(state, { SecretId: secretId, VersionId: undefined, VersionStage: undefined }, context);
  } catch (error) {
    if (error instanceof ServiceError) return error;
    throw error;
  }
}

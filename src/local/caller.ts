/** Who called the service, as far as the local one looks: any credentials are good, but they must be there. */
export interface Caller {
  readonly accessKeyId: string;
  /** The region that the request is signed for; absent: the service's own. */
  readonly region?: string;
}

/**
 * The access key that the local service gives to the Lambda it runs, so that the Lambda's own calls can be
 * distinguished from changes by hand. It grants nothing: the service accepts every key.
 */
export const LAMBDA_ACCESS_KEY_ID = 'LOCALROTATIONLAMBDA';

/** A caller inside this process, for tests and the story. */
export const IN_PROCESS_CALLER: Caller = { accessKeyId: 'LOCALCALLER' };

/**
 * Reads the access key out of a Signature Version 4 `Authorization` header ("Create a signed AWS API request",
 * `Credential=KEY/date/region/service/aws4_request`). The signature itself is not checked.
 *
 * @returns nothing if the header is no SigV4 header.
 */
export function callerFromAuthorization(header: string): Caller | undefined {
  const match = /^AWS4-[A-Z0-9-]{1,40}\s[^]*?\bCredential=([^/,\s]{1,128})\/([^,\s]{1,200})\/aws4_request\b/.exec(
    header,
  );
  const [, accessKeyId, scope = ''] = match ?? [];
  if (accessKeyId === undefined) return undefined;
  // Date, region, service; a signature for several regions (Version 4A) names none.
  const [, region, service] = scope.split('/');
  return service === undefined || region === undefined ? { accessKeyId } : { accessKeyId, region };
}

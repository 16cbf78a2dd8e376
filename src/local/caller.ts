/** Any credentials are good, but there must be some. */
export interface Caller {
  readonly accessKeyId: string;
  /** The region that the request is signed for; absent: the service's own. */
  readonly region?: string;
}

/** The access key of the Lambda, by which its calls are distinguished from changes by hand. It grants nothing. */
export const LAMBDA_ACCESS_KEY_ID = 'LOCALROTATIONLAMBDA';

export const IN_PROCESS_CALLER: Caller = { accessKeyId: 'LOCALCALLER' };

/**
 * Reads a Signature Version 4 `Authorization` header ("Create a signed AWS API request",
 * `Credential=KEY/date/region/service/aws4_request`). The signature is not checked. Returns `undefined` for another
 * header.
 */
export function callerFromAuthorization(header: string): Caller | undefined {
  const match = /^AWS4-[A-Z0-9-]{1,40}\s[^]*?\bCredential=([^/,\s]{1,128})\/([^,\s]{1,200})\/aws4_request\b/.exec(
    header,
  );
  const [, accessKeyId, scope = ''] = match ?? [];
  if (accessKeyId === undefined) return undefined;
  // A signature for several regions (Version 4A) names none.
  const [, region, service] = scope.split('/');
  return service === undefined || region === undefined ? { accessKeyId } : { accessKeyId, region };
}

/**
 * What an error that is no answer of the service may be told by: its name, and the code that Node or the resolver gives
 * (`TimeoutError: ECONNRESET`). Never its message: a parser quotes the text that it could not read, which may be an
 * answer with a key in it.
 */
export function failureName(error: unknown): string {
  if (!(error instanceof Error)) return 'unknown error';
  const code = 'code' in error ? error.code : undefined;
  return typeof code === 'string' && /^[A-Z0-9_]{1,40}$/.test(code) ? `${error.name}: ${code}` : error.name;
}

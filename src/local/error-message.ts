/** The message of whatever was thrown. Asks for the member, not the class: an error may come from another realm. */
export function messageOf(error: unknown): string {
  if (typeof error !== 'object' || error === null || !('message' in error)) return 'no message';
  return typeof error.message === 'string' ? error.message : 'no message';
}

/** The name of an error, such as `TypeError`. */
export function nameOf(error: unknown): string {
  if (typeof error !== 'object' || error === null || !('name' in error)) return 'Error';
  return typeof error.name === 'string' ? error.name : 'Error';
}

/** The code that Node gives its own errors, such as `ENOENT`. */
export function codeOf(error: unknown): string | undefined {
  if (typeof error !== 'object' || error === null || !('code' in error)) return undefined;
  return typeof error.code === 'string' ? error.code : undefined;
}

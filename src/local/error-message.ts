/** Looks at the member, not the class: an error may come from another realm. */
export function messageOf(error: unknown): string {
  if (typeof error !== 'object' || error === null || !('message' in error)) return 'no message';
  return typeof error.message === 'string' ? error.message : 'no message';
}

/** Such as `TypeError`. */
export function nameOf(error: unknown): string {
  if (typeof error !== 'object' || error === null || !('name' in error)) return 'Error';
  return typeof error.name === 'string' ? error.name : 'Error';
}

/** Node's own errors have a code, such as `ENOENT`. */
export function codeOf(error: unknown): string | undefined {
  if (typeof error !== 'object' || error === null || !('code' in error)) return undefined;
  return typeof error.code === 'string' ? error.code : undefined;
}

/** The members of a JSON object that another system wrote: each is checked where it is used. */
export type Members = Readonly<Partial<Record<string, unknown>>>;

/** No members for anything but an object. */
export function members(value: unknown): Members {
  return typeof value === 'object' && value !== null ? { ...value } : {};
}

/** The members of a JSON text; none for a text that is not JSON. */
export function parsedMembers(text: string): Members {
  try {
    return members(JSON.parse(text));
  } catch {
    return {};
  }
}

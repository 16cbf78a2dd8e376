/** From another system: each member is checked where it is used. */
export type Members = Readonly<Partial<Record<string, unknown>>>;

/** Empty for anything but an object. */
export function members(value: unknown): Members {
  return typeof value === 'object' && value !== null ? { ...value } : {};
}

/** Empty for a text that is not JSON. */
export function parsedMembers(text: string): Members {
  try {
    return members(JSON.parse(text));
  } catch {
    return {};
  }
}

/** AWS JSON 1.1 writes a moment as seconds since 1970, with fractions. */
export function seconds(milliseconds: number): number {
  return milliseconds / 1000;
}

/** "Secrets Manager only returns fields that have a value in the response" (DescribeSecret). */
export function present(members: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  return Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined));
}

/** The service leaves out a list or map without elements. */
export function unlessEmpty<T extends object>(collection: T): T | undefined {
  return Object.keys(collection).length === 0 ? undefined : collection;
}

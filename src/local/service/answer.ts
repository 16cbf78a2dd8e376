/** A moment as AWS JSON 1.1 writes it: seconds since 1970, as a number with fractions. */
export function seconds(milliseconds: number): number {
  return milliseconds / 1000;
}

/** "Secrets Manager only returns fields that have a value in the response" (DescribeSecret): leaves out the rest. */
export function present(members: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  return Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined));
}

/** `undefined` for a list or map without elements, which the service leaves out. */
export function unlessEmpty<T extends object>(collection: T): T | undefined {
  return Object.keys(collection).length === 0 ? undefined : collection;
}

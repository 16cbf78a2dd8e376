/** Variables by their names. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** What a variable holds; one that is empty counts as not set. */
export function given(environment: Environment, name: string): string | undefined {
  const value = environment[name];
  return value === '' ? undefined : value;
}

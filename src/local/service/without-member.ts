/** The state leaves out what is unset and never holds `undefined`. */
export function withoutMember<T extends object, K extends keyof T>(object: T, ...keys: readonly K[]): Omit<T, K> {
  const copy: Omit<T, K> = { ...object };
  for (const key of keys) Reflect.deleteProperty(copy, key);
  return copy;
}

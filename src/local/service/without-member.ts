/** A copy of the object without one of its members: the state leaves out what is unset, and never holds `undefined`. */
export function withoutMember<T extends object, K extends keyof T>(object: T, key: K): Omit<T, K> {
  const copy: Omit<T, K> = { ...object };
  Reflect.deleteProperty(copy, key);
  return copy;
}

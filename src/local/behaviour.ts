import type { JsonObject } from './json.ts';
import type { Behaviour } from './service/state.ts';

/** The defaults where public records of the real service differ. */
export const DEFAULT_BEHAVIOUR: Behaviour = {
  unlabelledVersions: 'as-documented',
  firstPendingValue: 'becomes-current',
  pendingAfterSuccess: 'removed',
};

export const BEHAVIOURS: { readonly [Name in keyof Behaviour]: readonly Behaviour[Name][] } = {
  unlabelledVersions: ['as-documented', 'kept', 'deleted-at-once'],
  firstPendingValue: ['becomes-current', 'stays-pending'],
  pendingAfterSuccess: ['removed', 'left'],
};

/** Throws `RangeError` for a name or a choice that does not exist. */
export function parseBehaviour(members: JsonObject): Partial<Behaviour> {
  const unknown = Object.keys(members).find((name) => !Object.hasOwn(BEHAVIOURS, name));
  if (unknown !== undefined) throw new RangeError(`behaviours are ${Object.keys(BEHAVIOURS).join(', ')}`);
  return {
    ...choice(members, 'unlabelledVersions'),
    ...choice(members, 'firstPendingValue'),
    ...choice(members, 'pendingAfterSuccess'),
  };
}

function choice<Name extends keyof Behaviour>(members: JsonObject, name: Name): Partial<Pick<Behaviour, Name>> {
  if (members[name] === undefined) return {};
  const choices: readonly Behaviour[Name][] = BEHAVIOURS[name];
  const chosen = choices.find((known) => known === members[name]);
  if (chosen === undefined) throw new RangeError(`${name} is one of ${choices.join(', ')}`);
  const result: Partial<Pick<Behaviour, Name>> = {};
  result[name] = chosen;
  return result;
}

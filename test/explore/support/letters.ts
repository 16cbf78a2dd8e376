import type { Secret } from '../../../src/local/service/state.ts';

/** The key of a letter, spelled as the guide does. */
export function keyText(letter: string): string {
  return Buffer.alloc(32, letter).toString('base64');
}

/** VersionId of the version that a scenario begins with under a letter. */
export function versionIdOf(letter: string): string {
  return letter.repeat(32);
}

/**
 * A secret as a scenario speaks of it: labels by the letter of a version's key, or by its VersionId where it has no
 * such key; and the tags, with the letters of the versions that they name. The times in tags are left away.
 */
export function spelled(secret: Secret): Readonly<Record<string, string>> {
  const names = namesOf(secret);
  const labels = Object.entries(secret.versions).map(([id, { stages }]) => [
    names.get(id),
    [...stages].sort().join(' '),
  ]);
  const tags = secret.tags.map(({ Key, Value }) => [
    inLetters(Key, names),
    inLetters(Value, names)
      .replace(/\d{4}-\d\d-\d\dT.*$/, '')
      .trim(),
  ]);
  return Object.fromEntries([...labels, ...tags]) as Record<string, string>;
}

function namesOf(secret: Secret): ReadonlyMap<string, string> {
  const taken = new Set<string>();
  return new Map(
    Object.entries(secret.versions).map(([id, { value }]) => {
      const byte = value?.kind === 'string' ? Buffer.from(value.text, 'base64').toString('latin1') : '';
      const letter = /^([A-Za-z])\1{31}$/.exec(byte)?.[1];
      const name = letter === undefined || taken.has(letter) ? id.replace(/-+$/, '') : letter;
      taken.add(name);
      return [id, name];
    }),
  );
}

function inLetters(text: string, names: ReadonlyMap<string, string>): string {
  return [...names]
    .reduce((so, [id, name]) => so.replaceAll(id, name), text)
    .replace(/([A-Za-z])\1{31}/g, '$1')
    .replace(/-{2,}/g, '');
}

import { invalidParameter } from '../service-error.ts';
import type { Filter } from '../shapes.ts';
import type { Secret, ServiceState } from '../state.ts';

/**
 * "Filter", API reference: every filter must fit, by any of its values. `name` and the tags compare with case, by
 * prefix; `description` and `all` compare words; a leading `!` excludes. Secrets that wait for their deletion are left
 * out. Throws `InvalidParameterException` for a filter without a key or values.
 */
export function secretsMatching(state: ServiceState, filters: readonly Filter[], region: string): readonly Secret[] {
  const fits = fittingAll(filters, region);
  return Object.values(state.secrets).filter((secret) => secret.deletion === undefined && fits(secret));
}

/** Throws as `secretsMatching` does. */
export function fittingAll(filters: readonly Filter[], region: string): (secret: Secret) => boolean {
  const tests = filters.map((filter) => fitting(filter, region));
  return (secret) => tests.every((fits) => fits(secret));
}

function fitting({ Key: key, Values: values }: Filter, region: string): (secret: Secret) => boolean {
  if (key === undefined) throw invalidParameter('Invalid filter key');
  if (values === undefined) throw invalidParameter(`Invalid filter values for key: ${key}`);
  const excluded = values.filter((value) => value.startsWith('!')).map((value) => value.slice(1));
  const wanted = values.filter((value) => !value.startsWith('!'));
  return (secret) => {
    const has = (value: string): boolean => matches(secret, key, value, region);
    return !excluded.some(has) && (wanted.length === 0 || wanted.some(has));
  };
}

function matches(secret: Secret, key: string, value: string, region: string): boolean {
  const begins = (candidate: string): boolean => candidate.startsWith(value);
  switch (key) {
    case 'name':
      return begins(secret.name);
    case 'description':
      return hasWords(wordsOf(secret.description ?? ''), wordsOf(value));
    case 'tag-key':
      return secret.tags.some((tag) => begins(tag.Key));
    case 'tag-value':
      return secret.tags.some((tag) => begins(tag.Value));
    case 'primary-region':
      return begins(secret.primaryRegion ?? region);
    case 'owning-service':
      // No other service owns secrets here.
      return false;
    default:
      return matchesAnywhere(secret, value);
  }
}

/** "Searches all attributes for matches. Not case-sensitive." Recorded: all words must be in one attribute. */
function matchesAnywhere(secret: Secret, value: string): boolean {
  const attributes = [secret.name, secret.description ?? '', ...secret.tags.flatMap((tag) => [tag.Key, tag.Value])];
  const wanted = wordsOf(value).flatMap(partsOf);
  return attributes.some((attribute) => hasWords(wordsOf(attribute).flatMap(partsOf), wanted));
}

/** Recorded: each wanted word begins one of the words, in any order; a value without words finds nothing. */
function hasWords(words: readonly string[], wanted: readonly string[]): boolean {
  const known = words.map((word) => word.toLowerCase());
  return wanted.length > 0 && wanted.every((prefix) => known.some((word) => word.startsWith(prefix.toLowerCase())));
}

function wordsOf(phrase: string): readonly string[] {
  return phrase.match(/[\p{Letter}\p{Number}]+/gu) ?? [];
}

/** AppBeta is App and Beta, COMPANYthings is COMPAN and Ythings, creds892 is creds and 892. */
function partsOf(word: string): readonly string[] {
  return word.match(/\p{Lu}+(?!\p{Ll})|\p{Lu}?\p{Ll}+|\p{Number}+|[^\p{Lu}\p{Ll}\p{Number}]+/gu) ?? [];
}

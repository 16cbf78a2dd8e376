import { invalidParameter } from '../service-error.ts';
import { findLiveSecret, withSecret, type Outcome } from '../secrets.ts';
import type { tagResource as shape, untagResource as untagShape } from '../shapes.ts';
import { type Read, type TagInput } from '../shapes.ts';
import type { CallContext, ServiceState, Tag } from '../state.ts';

/** "Maximum number of tags per secret: 50" (CreateSecret). */
const MAX_TAGS = 50;

export function tagResource(state: ServiceState, input: Read<typeof shape>, context: CallContext): Outcome {
  const secret = findLiveSecret(state, input.SecretId);
  const added = checkedTags(input.Tags);
  const kept = secret.tags.filter((tag) => !added.some((other) => other.Key === tag.Key));
  const tags = withinLimit([...kept, ...added]);
  if (added.length === 0) return { state, output: {} };
  return { state: withSecret(state, { ...secret, tags, lastChangedDate: context.now }), output: {} };
}

/** "If a requested tag is not attached, no error is returned and the secret metadata is unchanged." */
export function untagResource(state: ServiceState, input: Read<typeof untagShape>, context: CallContext): Outcome {
  const secret = findLiveSecret(state, input.SecretId);
  const tags = secret.tags.filter((tag) => !input.TagKeys.includes(tag.Key));
  if (tags.length === secret.tags.length) return { state, output: {} };
  return { state: withSecret(state, { ...secret, tags, hadTags: true, lastChangedDate: context.now }), output: {} };
}

/** Throws `InvalidParameterException`. The limits are documented; type and wording are on no record. */
export function checkedTags(tags: readonly TagInput[]): readonly Tag[] {
  const checked = tags.map(({ Key, Value }): Tag => {
    if (Key === undefined) throw invalidParameter('A tag must have a key.');
    if (Key.toLowerCase().startsWith('aws:')) {
      throw invalidParameter('aws: prefixed tag key names are not allowed for external use.');
    }
    return { Key, Value: Value ?? '' };
  });
  if (new Set(checked.map((tag) => tag.Key)).size < checked.length) {
    throw invalidParameter('A tag key can be given only once.');
  }
  return withinLimit(checked);
}

/** "Tags with this prefix [aws:] do not count against your tags per secret limit." A stack sets such tags. */
function withinLimit(tags: readonly Tag[]): readonly Tag[] {
  const counted = tags.filter(({ Key }) => !Key.toLowerCase().startsWith('aws:'));
  if (counted.length > MAX_TAGS) throw invalidParameter(`A secret can have at most ${MAX_TAGS} tags.`);
  return tags;
}

import type { Change } from '../aws/change.ts';

/** One line for each change, and for a file. */
export function changeLines(changes: readonly Change[], isDryRun: boolean, file?: string): readonly string[] {
  const sentences = changes.map((change) => `  ${sentence(change, isDryRun)}`);
  const lines = [
    ...(file === undefined ? [] : [`  ${isDryRun ? 'write' : 'wrote'} ${file}`]),
    ...(isDryRun ? withoutMadeId(sentences, changes) : sentences),
  ];
  if (lines.length === 0) return [isDryRun ? 'Dry run: nothing would be changed.' : 'Nothing was changed.'];
  return [isDryRun ? 'Dry run, nothing was changed. It would:' : 'Changed:', ...lines];
}

/** The id of a version that a dry run makes up is not the one of the real run. */
function withoutMadeId(sentences: readonly string[], changes: readonly Change[]): readonly string[] {
  const [made, second] = changes.flatMap((one) =>
    one.change === 'value-stored' || one.change === 'rotation-started' ? [one.versionId] : [],
  );
  if (made === undefined || second !== undefined) return sentences;
  return sentences.map((line) => line.replaceAll(`version ${made}`, 'the new version'));
}

function sentence(change: Change, isDryRun: boolean): string {
  const said = (would: string, was: string): string => (isDryRun ? would : was);
  switch (change.change) {
    case 'label-attached':
      return `${said('attach', 'attached')} ${change.label} to version ${change.to}`;
    case 'label-moved':
      return `${said('move', 'moved')} ${change.label} from version ${change.from} to version ${change.to}`;
    case 'label-detached':
      return `${said('detach', 'detached')} ${change.label} from version ${change.from}`;
    case 'value-stored':
      return `${said('store', 'stored')} a value as version ${change.versionId} with ${change.labels.join(', ')}`;
    case 'kms-key-set':
      return `set the KMS key of the secret to ${change.kmsKeyId}`;
    case 'tag-set':
      return `set the tag ${change.key} to '${change.value}'`;
    case 'tag-removed':
      return `${said('remove', 'removed')} the tag ${change.key}`;
    case 'rotation-started':
      return `${said('start', 'started')} a rotation to version ${change.versionId}`;
  }
}

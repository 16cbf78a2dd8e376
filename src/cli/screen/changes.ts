import type { Change } from '../aws/change.ts';
import { printable } from './paint.ts';

/** What was changed, or would be, one line each. */
export function changeLines(changes: readonly Change[], isDryRun: boolean): readonly string[] {
  if (changes.length === 0) return [isDryRun ? 'Dry run: nothing would be changed.' : 'Nothing was changed.'];
  const lines = changes.map((change) => `  ${printable(sentence(change))}`);
  return [isDryRun ? 'Dry run, nothing was changed. It would:' : 'Changed:', ...lines];
}

function sentence(change: Change): string {
  switch (change.change) {
    case 'label-attached':
      return `attach ${change.label} to version ${change.to}`;
    case 'label-moved':
      return `move ${change.label} from version ${change.from} to version ${change.to}`;
    case 'label-detached':
      return `detach ${change.label} from version ${change.from}`;
    case 'value-stored':
      return `store a value as version ${change.versionId} with ${change.labels.join(', ')}`;
    case 'tag-set':
      return `set the tag ${change.key} to '${change.value}'`;
    case 'tag-removed':
      return `remove the tag ${change.key}`;
    case 'rotation-started':
      return `start a rotation, whose version is ${change.versionId}`;
  }
}

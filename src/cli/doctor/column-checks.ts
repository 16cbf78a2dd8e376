import { isKeyRotationError } from '../../format/error.ts';
import { foundName, type FoundColumn } from '../../postgres/sample/found-column.ts';
import { step } from '../suggested-commands.ts';
import { checked, check, finding, notChecked } from './check.ts';

/** A column that is not listed is neither re-encrypted nor counted before a key is retired. */
export const UNLISTED_COLUMN = check(
  'unlisted-column',
  'a column looks encrypted and is not listed',
  ({ unlistedColumns }) => {
    if (unlistedColumns === undefined) return notChecked('The secret could not be read.');
    if (isKeyRotationError(unlistedColumns)) return notChecked(unlistedColumns.message);
    const { columns, skipped } = unlistedColumns;
    const unknown = skipped.map(({ table, reason }) => `${table} (${reason})`).join('; ');
    if (columns.length === 0 && skipped.length > 0) return notChecked(`Not looked at: ${unknown}`);
    const how = `a sample of every table${skipped.length === 0 ? '' : `, except ${unknown}`}`;
    return checked(
      how,
      columns
        .filter(({ isGenerated }) => !isGenerated)
        .map((found) => finding(textOf(found), step('columns', '--find'))),
    );
  },
);

function textOf(found: FoundColumn): string {
  const { sampled, opened, alike, numbers } = found;
  const keys = numbers.filter((number) => number > 0).join(', ');
  const seen =
    opened === 0
      ? `${alike} of ${sampled} values of a sample look like ciphertexts`
      : `${opened} of ${sampled} values of a sample open${keys === '' ? '' : ` with key ${keys}`}`;
  if (found.uncountable !== undefined) {
    return `${foundName(found)}: ${seen}. Neither reencrypt nor the census of retire can read them there.`;
  }
  return (
    `${foundName(found)}: ${seen}. Add it to the file that --columns names; otherwise neither reencrypt nor the census ` +
    'of retire sees its rows.'
  );
}

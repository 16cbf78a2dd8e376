import type { ColumnFlags } from './rows/column-options.ts';
import type { CommonOptions } from './aws/session.ts';

/** Commands that ask AWS for a secret: each has the common options. */
const COMMANDS = 'status|doctor|rotate|rollback|put|adopt|retire|restore|census|reencrypt|encrypt|decrypt';

/** Commands that have to be told which rows. */
const OVER_ROWS: readonly string[] = ['retire', 'census', 'reencrypt'];

const COMMAND_LINE = new RegExp(`\\bpazpaz-keys (${COMMANDS})\\b(?! --help)( --secret-id)?`, 'g');

/**
 * A text whose command lines say what this one was told. Without that, one that is pasted would act on the secret that
 * the variables name, which may be another. Commands over rows get the options that say which rows; where none was
 * given, the file of docs/operate.md.
 */
export function withOptions(text: string, options: CommonOptions & ColumnFlags): string {
  return text.replace(COMMAND_LINE, (_, command: string, ownSecret: string | undefined) => {
    const flags = [
      ...(ownSecret === undefined ? flag('--secret-id', options.secretId) : []),
      ...flag('--region', options.region),
      ...flag('--profile', options.profile),
      ...flag('--endpoint-url', options.endpointUrl),
      ...(OVER_ROWS.includes(command) ? rowFlags(options) : []),
    ];
    return [`pazpaz-keys ${command}`, ...flags].join(' ') + (ownSecret ?? '');
  });
}

/** The same for every text in what a command came to. */
export function allSpelledOut(result: object, options: CommonOptions & ColumnFlags): unknown {
  const json = JSON.stringify(result, (_, value: unknown) =>
    typeof value === 'string' ? withOptions(value, options) : value,
  );
  return JSON.parse(json);
}

function rowFlags({ databaseUrl, table, column, key, context, columns }: ColumnFlags): readonly string[] {
  const database = flag('--database-url', withoutPassword(databaseUrl));
  if (table === undefined) return [...database, ...flag('--columns', columns ?? 'columns.json')];
  return [
    ...database,
    ...flag('--table', table),
    ...flag('--column', column),
    ...flag('--key', key),
    ...flag('--context', context),
  ];
}

/** A suggestion stands on the screen, and in a log. */
function withoutPassword(url: string | undefined): string | undefined {
  if (url === undefined || !URL.canParse(url)) return undefined;
  const address = new URL(url);
  address.password = '';
  address.searchParams.delete('password');
  return address.href;
}

function flag(name: string, value: string | undefined): readonly string[] {
  return value === undefined ? [] : [name, quoted(value)];
}

/** For a POSIX shell. */
function quoted(value: string): string {
  return /^[\w@%+=:,./-]+$/.test(value) ? value : `'${value.replaceAll("'", `'\\''`)}'`;
}

import type { ApplicationLog } from '../../keyring/application-log.ts';
import { systemClock } from '../../keyring/clock.ts';
import { readFile } from 'node:fs/promises';
import { InvalidArgumentError, type Command } from 'commander';
import type { ColumnSpec } from '../../postgres/catalog/column.ts';
import { WRITERS_TIMEOUT } from '../../postgres/catalog/older-writers.ts';
import { RingKeys } from '../../postgres/all-keys.ts';
import { fileProblem } from '../file-error.ts';
import { sourceOf } from '../../keyring/source/secret-source.ts';
import { someText, wrongUsage } from '../command.ts';
import type { ColumnFlags } from './column-flags.ts';
import { databaseOptions } from './database-options.ts';
import type { AwsSession } from '../aws/session.ts';

export function readingOptions(command: Command): Command {
  return command
    .option('--connections <n>', 'connections that read at once, in one snapshot', upTo(16), 1)
    .option(
      '--writers-timeout <seconds>',
      'how long to wait for open transactions that have written to a table',
      upTo(100_000, 0),
      WRITERS_TIMEOUT / 1000,
    );
}

export function upTo(most: number, least = 1) {
  return (text: string): number => {
    const value = Number(text);
    if (/^[0-9]{1,6}$/.test(text) && value >= least && value <= most) return value;
    throw new InvalidArgumentError(`a whole number from ${least} to ${most} is needed`);
  };
}

export function columnOptions(command: Command): Command {
  return databaseOptions(command)
    .option('--table <name>', 'the table, with its schema if needed: clinic.patients', someText)
    .option('--column <name>', 'its column of ciphertexts: bytea, text, varchar, char or jsonb', someText)
    .option('--member <name>', 'for a jsonb object: the member that holds the ciphertext (default: data)', someText)
    .option('--key <columns>', 'columns that identify a row, separated by commas (default: the primary key)', someText)
    .option('--context <template>', "the rows' context, such as patients:{id}:notes (default: none)")
    .option(
      '--columns <file>',
      'a JSON file with several columns: [{"table", "column", "member", "key", "context", "toContext"}, …]',
      someText,
    );
}

/** `columnsOf` refuses a column or a member without a table. */
export function namesColumns({ table, column, member, columns }: ColumnFlags): boolean {
  return [table, column, member, columns].some((flag) => flag !== undefined);
}

/** Throws `INVALID_SETTINGS` if the options name no column, or for a file that cannot be understood. */
export async function columnsOf(flags: ColumnFlags, toContext?: string): Promise<readonly ColumnSpec[]> {
  const { table, column, member, key, context, columns } = flags;
  if (columns !== undefined) {
    if ([table, column, member, key, context, toContext].some((flag) => flag !== undefined)) {
      wrongUsage('--columns names a file that describes everything. Use it alone, or use --table and --column.');
    }
    return readColumns(columns);
  }
  if (table === undefined || column === undefined) {
    return wrongUsage('Which rows? Name --table and --column, or a file with --columns.');
  }
  return [
    {
      table,
      column,
      ...(member === undefined ? {} : { member }),
      ...(key === undefined ? {} : { key: key.split(',').map((name) => name.trim()) }),
      ...(context === undefined ? {} : { context }),
      ...(toContext === undefined ? {} : { toContext }),
    },
  ];
}

/** `log` gets how often the command encrypts with a key. */
export function ringOf({ client, secretId }: AwsSession, log?: ApplicationLog): Promise<RingKeys> {
  return sourceOf(client, secretId).then((source) => RingKeys.open(source, secretId, systemClock, log));
}

async function readColumns(file: string): Promise<readonly ColumnSpec[]> {
  const text = await readFile(file, 'utf8').catch((error: unknown) =>
    wrongUsage(`--columns ${file} cannot be read: ${fileProblem(error)}.`),
  );
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    // A parser's message quotes the text, and the file may be a key by mistake.
    const mark = text.startsWith('\uFEFF') ? ' It begins with a byte order mark: save it as UTF-8 without one.' : '';
    return wrongUsage(`--columns ${file} is not valid JSON.${mark}`);
  }
  if (!Array.isArray(value) || value.length === 0)
    return wrongUsage(`--columns ${file} must hold a JSON array of columns.`);
  return value.map((entry: unknown, index) => columnIn(entry, `entry ${index + 1} of ${file}`));
}

const MEMBERS = ['table', 'column', 'member', 'key', 'context', 'toContext'];

function columnIn(entry: unknown, where: string): ColumnSpec {
  if (typeof entry !== 'object' || entry === null) return wrongUsage(`${where} is not an object.`);
  const unknown = Object.keys(entry).find((name) => !MEMBERS.includes(name));
  // A misspelt context would count as none.
  if (unknown !== undefined)
    return wrongUsage(`${where} has ${shownMember(unknown)}, which is unknown; known are ${MEMBERS.join(', ')}.`);
  const { table, column, member, key, context, toContext }: Partial<Record<string, unknown>> = { ...entry };
  if (typeof table !== 'string' || typeof column !== 'string') return wrongUsage(`${where} needs table and column.`);
  if (member !== undefined && typeof member !== 'string') return wrongUsage(`${where}: member must be a name.`);
  const names = typeof key === 'string' ? [key] : key;
  if (names !== undefined && !(Array.isArray(names) && names.every((name) => typeof name === 'string'))) {
    return wrongUsage(`${where}: key must be a name or an array of names.`);
  }
  const from = template('context', context, where);
  const to = template('toContext', toContext, where);
  return {
    table,
    column,
    ...(member === undefined ? {} : { member }),
    ...(names === undefined ? {} : { key: names }),
    ...(from === undefined ? {} : { context: from }),
    ...(to === undefined ? {} : { toContext: to }),
  };
}

/** A member that is not a misspelt one may be part of a key, in a file named by mistake. */
function shownMember(name: string): string {
  const isMisspelt =
    name.length < 16 && MEMBERS.some((member) => member.slice(0, 3) === name.slice(0, 3).toLowerCase());
  return isMisspelt ? `'${name}'` : 'a member';
}

function template(name: string, value: unknown, where: string): string | undefined {
  return value === undefined || typeof value === 'string' ? value : wrongUsage(`${where}: ${name} must be a text.`);
}

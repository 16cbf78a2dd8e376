import { Readable } from 'node:stream';
import type { Command } from 'commander';
import { programFor, run } from '../../../src/cli/run.ts';

/** What a script may rely on at the commands: one line for each argument and option. */
export function commandLines(): readonly string[] {
  const program = programFor(silent().world, () => Promise.resolve());
  return program.commands.flatMap(linesOf).sort();
}

function linesOf(command: Command): readonly string[] {
  const name = command.name();
  return [
    name,
    ...command.registeredArguments.map((argument) => `${name} ${argument.required ? '<' : '['}argument`),
    ...command.options.flatMap(({ flags }) => flags.split(', ').map((flag) => `${name} ${valueless(flag)}`)),
  ];
}

/** The name of an option's value is text for people. */
function valueless(flag: string): string {
  return flag.replace(/<.*>/, '<value>').replace(/\[.*\]/, '[value]');
}

type Schema = Readonly<Record<string, unknown>>;

const isObject = (value: unknown): value is Schema => typeof value === 'object' && value !== null;

/** What `--json` prints, from `pazpaz-keys schema`: one line for each member, its type, and each value it can have. */
export async function jsonLines(): Promise<readonly string[]> {
  const lines = new Set<string>();
  for (const command of schemaCommands()) {
    const { world, printed } = silent();
    await run(['node', 'pazpaz-keys', 'schema', command], world);
    const schema: unknown = JSON.parse(printed.join(''));
    if (isObject(schema)) collect(schema, command, lines);
  }
  return [...lines].sort();
}

function schemaCommands(): readonly string[] {
  const schema = programFor(silent().world, () => Promise.resolve()).commands.find((one) => one.name() === 'schema');
  return schema?.registeredArguments[0]?.argChoices ?? [];
}

function collect(schema: Schema, at: string, lines: Set<string>): void {
  const { type, properties, patternProperties, items, oneOf, required } = schema;
  if (type !== undefined) lines.add(`${at}: ${JSON.stringify(type)}`);
  if ('const' in schema) lines.add(`${at} = ${JSON.stringify(schema['const'])}`);
  for (const value of listOf(schema['enum'])) lines.add(`${at} = ${JSON.stringify(value)}`);
  for (const part of listOf(oneOf)) if (isObject(part)) collect(part, at, lines);
  if (isObject(items)) collect(items, `${at}[]`, lines);
  const isRequired = new Set(listOf(required));
  for (const [name, member] of Object.entries(isObject(properties) ? properties : {})) {
    if (isObject(member)) collect(member, `${at}.${name}${isRequired.has(name) ? '' : '?'}`, lines);
  }
  for (const member of Object.values(isObject(patternProperties) ? patternProperties : {})) {
    if (isObject(member)) collect(member, `${at}.*`, lines);
  }
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

/** A process without a terminal, whose output is kept. */
function silent() {
  const printed: string[] = [];
  const world = {
    environment: {},
    stdout: { write: (text: string) => printed.push(text) },
    stderr: { write: () => true },
    stdin: Readable.from([]),
    ask: () => Promise.resolve(''),
    now: () => new Date(0),
    sleep: () => Promise.resolve(),
    randomKey: () => new Uint8Array(32),
    newVersionId: () => '',
  };
  return { world, printed };
}

import { realpathSync } from 'node:fs';
import { basename, delimiter, dirname, isAbsolute, relative } from 'node:path';
import { PROGRAM, quoted } from './suggested-commands.ts';

/**
 * The program's name if it is on `PATH`, otherwise `node` and its file. Never the bare name where only an alias or
 * `npx` knows it: `npx` asks the public registry for unknown names, and anyone could register this one.
 */
export function howStarted(script: string, folder: string, path: string): string {
  const isOnPath = basename(script) === PROGRAM && path.split(delimiter).includes(dirname(script));
  // `npx` and `npm run` put this folder on PATH only for the process that they start.
  if (isOnPath && basename(dirname(script)) !== '.bin') return PROGRAM;
  const file = realpathOr(script);
  const near = relative(folder, file);
  return `node ${quoted(near.startsWith('..') || isAbsolute(near) ? file : near)}`;
}

function realpathOr(file: string): string {
  try {
    return realpathSync(file);
  } catch {
    return file;
  }
}

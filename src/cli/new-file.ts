import { randomBytes } from 'node:crypto';
import { access, constants, link, lstat, open, rename, stat, unlink } from 'node:fs/promises';
import { dirname } from 'node:path';
import { wrongUsage } from './command.ts';
import { fileProblem } from './file-error.ts';

/** Throws `INVALID_SETTINGS` if `writeNewFile` would refuse this path. */
export async function requireNewFile(path: string): Promise<void> {
  if (await exists(path)) cannotWrite(path, 'it exists already');
  const folder = dirname(path);
  if (!(await stat(folder).catch(() => undefined))?.isDirectory()) cannotWrite(path, `${folder} is not a folder`);
  const mayWrite = access(folder, constants.W_OK | constants.X_OK);
  await mayWrite.catch((error: unknown) => cannotWrite(path, fileProblem(error)));
}

/**
 * Only its owner can read it. Resolves when it is on the disk. It never replaces a file, and a process that is killed
 * leaves no part of it under its name: only a file with a name that ends in `.partial`.
 */
export async function writeNewFile(path: string, bytes: Uint8Array): Promise<void> {
  await requireNewFile(path);
  const partial = `${path}.${randomBytes(4).toString('hex')}.partial`;
  try {
    await written(partial, bytes);
    await link(partial, path).catch(async (error: unknown) => {
      // Not every file system has links.
      if (await exists(path)) throw error;
      await rename(partial, path);
    });
    await onDisk(dirname(path));
  } catch (error) {
    cannotWrite(path, fileProblem(error));
  } finally {
    await unlink(partial).catch(() => undefined);
  }
}

async function written(path: string, bytes: Uint8Array): Promise<void> {
  const file = await open(path, 'wx', 0o600);
  try {
    await file.writeFile(bytes);
    await file.sync();
  } finally {
    await file.close();
  }
}

/** The name of a new file is in its folder. Not every system can sync a folder. */
async function onDisk(folder: string): Promise<void> {
  const opened = await open(folder).catch(() => undefined);
  await opened?.sync().catch(() => undefined);
  await opened?.close();
}

/** A symbolic link counts, wherever it points. */
async function exists(path: string): Promise<boolean> {
  return (await lstat(path).catch(() => undefined)) !== undefined;
}

function cannotWrite(path: string, why: string): never {
  wrongUsage(`${path} cannot be written: ${why}. Name another place.`);
}

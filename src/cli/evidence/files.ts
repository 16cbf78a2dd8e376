import { createHash } from 'node:crypto';
import { mkdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { failureName, KeyRotationError } from '../../format/error.ts';
import { writeNewFile } from '../backup/encrypted-file.ts';
import { wrongUsage } from '../command.ts';
import type { Evidence, PreviousReport } from './evidence.ts';
import { SIGNATURE_FILE, type Sign } from './sign.ts';

/** The files of a report, and the checksums of the others as `sha256sum` writes and checks them. */
export const EVIDENCE_FILE = 'evidence.json';
export const PAGE_FILE = 'evidence.html';
export const CHECKSUM_FILE = 'evidence.sha256';

export function sha256(bytes: Uint8Array | string): string {
  return createHash('sha256').update(bytes).digest('hex');
}

/**
 * Writes the files of a report, then their checksums, then the signature of these. Nothing is written if it cannot be
 * signed. Throws `INVALID_SETTINGS` if a file exists.
 */
export async function writeReport(folder: string, files: ReadonlyMap<string, string>, sign?: Sign): Promise<void> {
  const sums = [...files].map(([name, text]) => `${sha256(text)}  ${name}\n`).join('');
  const signature = await sign?.(sums);
  for (const [name, text] of files) await writeNewFile(join(folder, name), Buffer.from(text));
  await writeNewFile(join(folder, CHECKSUM_FILE), Buffer.from(sums));
  if (signature !== undefined) await writeNewFile(join(folder, SIGNATURE_FILE), Buffer.from(signature));
}

/** Makes the folder. Throws `INVALID_SETTINGS` if it has a report, which is never replaced. */
export async function requireNoReport(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true }).catch((error: unknown) =>
    wrongUsage(`The folder ${folder} cannot be made: ${failureName(error)}.`),
  );
  for (const name of [EVIDENCE_FILE, PAGE_FILE, CHECKSUM_FILE, SIGNATURE_FILE]) {
    if ((await stat(join(folder, name)).catch(() => undefined)) !== undefined)
      wrongUsage(`${folder} has a report already, and no report is ever replaced. Name another folder.`);
  }
}

/** Reads a file of a report. Throws `INVALID_SETTINGS` where it cannot. */
export async function textOf(folder: string, name: string): Promise<string> {
  return readFile(join(folder, name), 'utf8').catch((error: unknown) =>
    wrongUsage(`${join(folder, name)} cannot be read: ${failureName(error)}.`),
  );
}

/** The report before: `path` is its folder, or its file `evidence.json`. */
export async function previousReport(path: string): Promise<PreviousReport> {
  const isFolder = (await stat(path).catch(() => undefined))?.isDirectory() === true;
  const text = isFolder ? await textOf(path, EVIDENCE_FILE) : await textOf('', path);
  return { madeAt: evidenceIn(text, path).madeAt, sha256: sha256(text) };
}

/** What a report says of itself. Throws `INVALID_EVIDENCE` if the text is no report. */
export function evidenceIn(text: string, where: string): Pick<Evidence, 'madeAt' | 'previous'> {
  const invalid = (): never => {
    throw new KeyRotationError(
      'INVALID_EVIDENCE',
      `${where} holds no report of pazpaz-keys evidence: expected JSON with format, madeAt and previous.`,
    );
  };
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return invalid();
  }
  const { format, madeAt, previous } = members(value);
  if (typeof format !== 'string' || !format.startsWith('pazpaz-evidence/') || typeof madeAt !== 'string')
    return invalid();
  if (previous === undefined) return { madeAt };
  const { madeAt: before, sha256: hash } = members(previous);
  if (typeof before !== 'string' || typeof hash !== 'string') return invalid();
  return { madeAt, previous: { madeAt: before, sha256: hash } };
}

function members(value: unknown): Partial<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? { ...value } : {};
}

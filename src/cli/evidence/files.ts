import { createHash } from 'node:crypto';
import { access, constants, mkdir, readdir, readFile, stat, unlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { KeyRotationError } from '../../format/error.ts';
import { fileProblem } from '../file-error.ts';
import { wrongUsage } from '../command.ts';
import { writeNewFile } from '../new-file.ts';
import type { PreviousReport } from './evidence.ts';
import { members, parsedMembers } from './sources/json-members.ts';
import { SIGNATURE_FILE, type Sign } from './sign.ts';

/** The files of a report, and the checksums of the others as `sha256sum` writes and checks them. */
export const EVIDENCE_FILE = 'evidence.json';
export const PAGE_FILE = 'evidence.html';
const CHECKSUM_FILE = 'evidence.sha256';

export function sha256(bytes: Uint8Array | string): string {
  return createHash('sha256').update(bytes).digest('hex');
}

/**
 * Writes the files of a report, their checksums, and the signature of these. All of them or none: it signs first, and
 * removes what it wrote if a later file cannot be written. Throws `INVALID_SETTINGS` if one exists.
 */
export async function writeReport(folder: string, files: ReadonlyMap<string, string>, sign?: Sign): Promise<void> {
  const sums = [...files].map(([name, text]) => `${sha256(text)}  ${name}\n`).join('');
  const signature = await sign?.(sums);
  const all = [
    ...files,
    ...(signature === undefined ? [] : [[SIGNATURE_FILE, signature] as const]),
    // The last one: a report without it is not complete.
    [CHECKSUM_FILE, sums] as const,
  ];
  const written: string[] = [];
  try {
    for (const [name, text] of all) {
      await writeNewFile(join(folder, name), Buffer.from(text));
      written.push(name);
    }
  } catch (error) {
    for (const name of written) await unlink(join(folder, name)).catch(() => undefined);
    throw error;
  }
}

/** Makes the folder. Throws `INVALID_SETTINGS` if it cannot be written, or has a report, which is never replaced. */
export async function requireNoReport(folder: string): Promise<void> {
  await makeFolder(folder).catch((error: unknown) =>
    wrongUsage(`The folder ${folder} cannot be made: ${fileProblem(error)}.`),
  );
  await access(folder, constants.W_OK | constants.X_OK).catch((error: unknown) =>
    wrongUsage(`The folder ${folder} cannot be written: ${fileProblem(error)}.`),
  );
  const all = [EVIDENCE_FILE, PAGE_FILE, CHECKSUM_FILE, SIGNATURE_FILE];
  const names = await readdir(folder).catch(() => []);
  const found = names.sort().filter((name) => all.some((each) => name.startsWith(each)));
  if (found.includes(CHECKSUM_FILE))
    wrongUsage(`${folder} has a report already, and no report is ever replaced. Name another folder.`);
  if (found.length > 0)
    wrongUsage(
      `${folder} has a part of a report (${found.join(', ')}), perhaps of a run that was killed. Name another folder.`,
    );
}

/** Below /proc, `mkdir` of Node 20 never ends if it is told to make parents, too. */
async function makeFolder(folder: string): Promise<void> {
  if (await isFolder(folder)) return;
  if (dirname(folder) !== folder) await makeFolder(dirname(folder));
  await mkdir(folder).catch(async (error: unknown) => {
    // Another process may have made it.
    if (!(await isFolder(folder))) throw error;
  });
}

async function isFolder(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined))?.isDirectory() === true;
}

/** A report on disk. */
export interface ReportOnDisk {
  readonly folder: string;
  readonly madeAt: string;
  readonly secretName: string;
  readonly previous: PreviousReport | undefined;
  /** The KMS key that it says has signed it. */
  readonly signedWith: string | undefined;
  /** Of the bytes of `evidence.json`. */
  readonly sha256: string;
  /** The text of its checksums, which the signature is over. */
  readonly sums: string;
  /** What does not agree with the checksums. */
  readonly altered: readonly string[];
}

/**
 * Reads a report. Each file is read one time, so that what is checked is what is read. Throws `INVALID_SETTINGS` for a
 * file that cannot be read, and `INVALID_EVIDENCE`.
 */
export async function readReport(folder: string): Promise<ReportOnDisk> {
  const path = join(folder, EVIDENCE_FILE);
  const json = await bytesIn(path);
  const about = evidenceIn(json.toString('utf8'), path);
  const sums = (await bytesIn(join(folder, CHECKSUM_FILE))).toString('utf8');
  const page = await readFile(join(folder, PAGE_FILE)).catch(() => undefined);
  const found = new Map([
    [EVIDENCE_FILE, sha256(json)],
    [PAGE_FILE, page === undefined ? undefined : sha256(page)],
  ]);
  return { folder, ...about, sha256: sha256(json), sums, altered: alteredFiles(sums, found, folder) };
}

/** `sha256sum -c` checks each line, so there may be one for each file and none for another. */
function alteredFiles(sums: string, found: ReadonlyMap<string, string | undefined>, folder: string): readonly string[] {
  const listed = sums.split('\n').flatMap((line) => (line === '' ? [] : [checksumIn(line, folder)]));
  const others = listed.filter(({ name }) => !found.has(name)).map(({ name }) => `${name} is not a file of a report`);
  const altered = [...found].flatMap(([name, hash]) => {
    const [line, ...more] = listed.filter((each) => each.name === name);
    if (hash === undefined) return [`${name} cannot be read`];
    if (line === undefined) return [`${name} has no checksum`];
    if (more.length > 0) return [`${name} has more than one checksum`];
    return line.hash === hash ? [] : [`${name} was changed`];
  });
  return [...altered, ...others];
}

function checksumIn(line: string, folder: string): { readonly name: string; readonly hash: string } {
  const [, hash, name] = /^([0-9a-f]{64}) [ *](\S+)$/.exec(line) ?? [];
  if (hash !== undefined && name !== undefined) return { name, hash };
  throw new KeyRotationError(
    'INVALID_EVIDENCE',
    `${join(folder, CHECKSUM_FILE)} must have lines of sha256sum: 64 digits, two spaces, and a name.`,
  );
}

async function bytesIn(path: string): Promise<Buffer> {
  return readFile(path).catch((error: unknown) => wrongUsage(`${path} cannot be read: ${fileProblem(error)}.`));
}

/**
 * The report before: `path` is its folder, or its file `evidence.json` there. Throws `INVALID_EVIDENCE` for one that was
 * changed, because a chain would make the change look genuine.
 */
export async function previousReport(path: string): Promise<ReportOnDisk> {
  const isFile = (await stat(path).catch(() => undefined))?.isFile() === true;
  const report = await readReport(isFile ? dirname(path) : path);
  if (report.altered.length === 0) return report;
  throw new KeyRotationError(
    'INVALID_EVIDENCE',
    `${report.folder} is not as it was written: ${report.altered.join(', ')}.`,
  );
}

/** What a report says of itself. Throws `INVALID_EVIDENCE` if the text is not a report. */
function evidenceIn(
  text: string,
  where: string,
): Pick<ReportOnDisk, 'madeAt' | 'secretName' | 'previous' | 'signedWith'> {
  const invalid = (): never => {
    throw new KeyRotationError(
      'INVALID_EVIDENCE',
      `${where} holds no report of pazpaz-keys evidence: expected JSON with format, madeAt, secret and previous.`,
    );
  };
  const { format, madeAt, secret, previous, signedWith } = parsedMembers(text);
  const { name: secretName } = members(secret);
  if (typeof format !== 'string' || !format.startsWith('pazpaz-evidence/')) return invalid();
  if (!isDate(madeAt) || typeof secretName !== 'string') return invalid();
  const about = { madeAt, secretName, signedWith: typeof signedWith === 'string' ? signedWith : undefined };
  if (previous === undefined) return { ...about, previous };
  const { madeAt: before, sha256: hash, checksums, signature } = members(previous);
  if (!isDate(before) || typeof hash !== 'string') return invalid();
  return {
    ...about,
    previous: {
      madeAt: before,
      sha256: hash,
      ...(typeof checksums === 'string' ? { checksums } : {}),
      ...(typeof signature === 'string' ? { signature } : {}),
    },
  };
}

/** Reports are put in order by their dates as texts. */
function isDate(value: unknown): value is string {
  return typeof value === 'string' && /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/.test(value);
}

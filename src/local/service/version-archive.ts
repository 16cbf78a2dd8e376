import type { Secret, SecretVersion } from './state.ts';
import { withoutVersions, type Versions } from './version-stages.ts';
import { withoutMember } from './without-member.ts';

/**
 * A secret can have thousands of versions, of which at most 20 have a label. Copying them for each change would make
 * every put slower than the last, so versions without labels move to `archive`, in chunks that stay as they are. Only
 * these functions know of it.
 */

/** Versions in `versions` before those without labels move to the archive. */
const MOST_OUTSIDE = 128;
const CHUNK = 64;

/** Archived or not. */
export function versionOf(secret: Secret, id: string): SecretVersion | undefined {
  return secret.versions[id] ?? secret.archive?.chunks.find((chunk) => chunk[id] !== undefined)?.[id];
}

/** In the order of creation. */
export function allVersions({ archive, versions }: Secret): readonly (readonly [id: string, version: SecretVersion])[] {
  if (archive === undefined) return Object.entries(versions);
  const all = [...archive.chunks, versions].flatMap((some) => Object.entries(some));
  return all.sort(([, one], [, other]) => one.createdDate - other.createdDate);
}

export function withEachVersion(secret: Secret, change: (version: SecretVersion) => SecretVersion): Secret {
  const changed = (versions: Versions): Versions =>
    Object.fromEntries(Object.entries(versions).map(([id, version]) => [id, change(version)]));
  const { archive, versions } = secret;
  if (archive === undefined) return { ...secret, versions: changed(versions) };
  return { ...secret, versions: changed(versions), archive: { ...archive, chunks: archive.chunks.map(changed) } };
}

export function countVersions({ archive, versions }: Secret): number {
  return Object.keys(versions).length + (archive?.size ?? 0);
}

/** Moves the version to `versions`, so that it can take a label. */
export function outsideArchive(secret: Secret, id: string): Secret {
  const version = secret.versions[id] === undefined ? versionOf(secret, id) : undefined;
  if (version === undefined) return secret;
  const chunks = (secret.archive?.chunks ?? []).map((chunk) =>
    chunk[id] === undefined ? chunk : withoutVersions(chunk, [id]),
  );
  return { ...withChunks(secret, chunks), versions: { ...secret.versions, [id]: version } };
}

export function replaceVersion(secret: Secret, id: string, version: SecretVersion): Secret {
  if (secret.archive === undefined || secret.versions[id] !== undefined) {
    return { ...secret, versions: { ...secret.versions, [id]: version } };
  }
  const chunks = secret.archive.chunks.map((chunk) => (chunk[id] === undefined ? chunk : { ...chunk, [id]: version }));
  return { ...secret, archive: { ...secret.archive, chunks } };
}

export function archived(secret: Secret): Secret {
  if (Object.keys(secret.versions).length <= MOST_OUTSIDE) return secret;
  const unlabelled = Object.keys(secret.versions).filter((id) => secret.versions[id]?.stages.length === 0);
  const moved = unlabelled.slice(0, Math.floor(unlabelled.length / CHUNK) * CHUNK);
  if (moved.length === 0) return secret;
  const chunks = [...(secret.archive?.chunks ?? [])];
  for (let start = 0; start < moved.length; start += CHUNK) {
    chunks.push(only(secret.versions, moved.slice(start, start + CHUNK)));
  }
  return { ...withChunks(secret, chunks), versions: withoutVersions(secret.versions, moved) };
}

/** Removes at most `most` of the oldest. Reads the next chunk only while the one before had such versions. */
export function withoutOldest(secret: Secret, most: number, mayGo: (version: SecretVersion) => boolean): Secret {
  let left = most;
  const shrink = (versions: Versions): Versions => {
    const gone = Object.keys(versions)
      .filter((id) => versions[id] !== undefined && mayGo(versions[id]))
      .slice(0, left);
    left -= gone.length;
    return gone.length === 0 ? versions : withoutVersions(versions, gone);
  };
  const chunks = [...(secret.archive?.chunks ?? [])];
  for (const [place, chunk] of chunks.entries()) {
    const shrunk = left > 0 ? shrink(chunk) : chunk;
    if (shrunk === chunk) break;
    chunks[place] = shrunk;
  }
  const versions = left > 0 ? shrink(secret.versions) : secret.versions;
  return left === most ? secret : { ...withChunks(secret, chunks), versions };
}

function withChunks(secret: Secret, chunks: readonly Versions[]): Secret {
  const filled = chunks.filter((chunk) => Object.keys(chunk).length > 0);
  const size = filled.reduce((sum, chunk) => sum + Object.keys(chunk).length, 0);
  return size === 0 ? withoutMember(secret, 'archive') : { ...secret, archive: { size, chunks: filled } };
}

function only(versions: Versions, ids: readonly string[]): Versions {
  const wanted = new Set(ids);
  return Object.fromEntries(Object.entries(versions).filter(([id]) => wanted.has(id)));
}

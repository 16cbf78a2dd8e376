import { quoted } from '../suggested-commands.ts';

/** A call of AWS's own command line that takes a label off a version. */
export function detaching(secret: string, label: string, versionId: string): string {
  return `${moving(secret, label)} --remove-from-version-id ${versionId}`;
}

/** Attaches it, or moves it if it is on the version `from`. */
export function attaching(secret: string, label: string, to: string, from?: string): string {
  const attached = `${moving(secret, label)} --move-to-version-id ${to}`;
  return from === undefined ? attached : `${attached} --remove-from-version-id ${from}`;
}

function moving(secret: string, label: string): string {
  return `aws secretsmanager update-secret-version-stage --secret-id ${quoted(secret)} --version-stage ${quoted(label)}`;
}

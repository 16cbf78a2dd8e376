import { readFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { given, type Environment } from '../process-io.ts';

/** "Configuration and credential file settings": `[name]` in one file, `[profile name]` in the other. */
export async function profileNames(environment: Environment): Promise<ReadonlySet<string>> {
  const files = [
    given(environment, 'AWS_SHARED_CREDENTIALS_FILE') ?? join(homedir(), '.aws/credentials'),
    given(environment, 'AWS_CONFIG_FILE') ?? join(homedir(), '.aws/config'),
  ];
  const texts = await Promise.all(files.map((file) => readFile(file, 'utf8').catch(() => '')));
  const headings = texts.flatMap((text) => [...text.matchAll(/^\s*\[\s*(?:profile\s+)?(["']?)([^\]]+?)\1\s*\]/gm)]);
  return new Set(headings.map(([, , name = '']) => name).filter((name) => !/^(sso-session|services)\s/.test(name)));
}

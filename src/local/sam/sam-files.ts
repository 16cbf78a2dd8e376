import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { ROTATION_STEPS } from '../lambda/lambda-interface.ts';

/** As in template.yaml. */
export const FUNCTION_ID = 'KeyRotationFunction';

/** The access key that the SAM CLI gives to a function when it finds no credentials. */
export const SAM_ACCESS_KEY_ID = 'defaultkey';

export interface FunctionEnvironment {
  /** Where a container reaches the local service. */
  readonly endpoint: string;
  /** ARN or name: the secret that adoption looks after. */
  readonly secretId: string;
}

/** Writes the file for the option `--env-vars` of `sam local`. */
export async function writeEnvironmentFile(file: string, { endpoint, secretId }: FunctionEnvironment): Promise<void> {
  await writeJson(file, { [FUNCTION_ID]: { AWS_ENDPOINT_URL_SECRETS_MANAGER: endpoint, SECRET_ARN: secretId } });
}

/**
 * Writes the four events of one rotation, for the option `-e` of `sam local invoke`, and returns their paths in the
 * order of the steps. `RotationToken` is left out: only a rotation across roles or accounts needs it, and it belongs in
 * no file.
 */
export async function writeStepEvents(
  folder: string,
  rotation: { readonly secretId: string; readonly token: string },
): Promise<readonly string[]> {
  const files: string[] = [];
  for (const step of ROTATION_STEPS) {
    const file = join(folder, `${step.replace('Secret', '-secret')}.json`);
    await writeJson(file, { Step: step, SecretId: rotation.secretId, ClientRequestToken: rotation.token });
    files.push(file);
  }
  return files;
}

async function writeJson(file: string, content: unknown): Promise<void> {
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, `${JSON.stringify(content, null, 2)}\n`);
}

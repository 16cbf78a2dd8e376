import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { readVarint } from '../../src/format/varint.ts';
import { KeyRing } from '../../src/keyring/key-ring.ts';
import { environmentKeys, loadSettings, writingKey } from '../../src/keyring/settings.ts';
import { errorOf } from '../format/support/error-of.ts';

interface SettingsVector {
  readonly id: string;
  readonly env: Readonly<Record<string, string>>;
  readonly settings?: object;
  readonly error?: string;
  readonly variable?: string;
}

const { settings } = JSON.parse(readFileSync(join(__dirname, '../../vectors/settings.json'), 'utf8')) as {
  readonly settings: readonly SettingsVector[];
};

test.each(settings)('settings: $id', ({ env, settings: expected, error, variable }) => {
  if (expected === undefined) {
    const refusal = errorOf(() => loadSettings(env));
    expect(refusal.code).toBe(error);
    expect(refusal.message.split(' ')[0]).toBe(variable);
  } else {
    const found = loadSettings(env);
    const { region, secretId } = found.keySource === 'aws' ? found : { region: null, secretId: null };
    const key = found.environmentKey?.exportBytes().toString('hex') ?? null;
    expect({ environment: found.environment, region, secretId, key }).toEqual(expected);
  }
});

interface EnvironmentVector {
  readonly id: string;
  readonly env: Readonly<Record<string, string>>;
  readonly settings?: { readonly keySource: string; readonly writes: number | null };
  readonly error?: string;
  readonly variable?: string;
  readonly says?: string;
}

const { environments } = JSON.parse(readFileSync(join(__dirname, '../../vectors/environments.json'), 'utf8')) as {
  readonly environments: readonly EnvironmentVector[];
};

test.each(environments)('environment: $id', async ({ env, settings: expected, error, variable, says }) => {
  if (expected === undefined) {
    const refusal = errorOf(() => loadSettings(env));
    expect(refusal.code).toBe(error);
    expect(refusal.message.split(' ')[0]).toBe(variable);
    expect(refusal.message).toContain(says);
    return;
  }
  const found = loadSettings(env);
  const { region, secretId } = found.keySource === 'aws' ? found : { region: null, secretId: null };
  const { environment, keySource } = found;
  const keys = environmentKeys(found).map(({ number, key }) => [number, key.exportBytes().toString('hex')]);
  const writes = writingKey(found)?.number ?? null;
  expect({ environment, keySource, region, secretId, keys: Object.fromEntries(keys) as object, writes }).toEqual(
    expected,
  );
  if (keySource === 'environment') {
    const ring = await KeyRing.open(found);
    expect(readVarint(ring.encryptField('note'))).toBe(writes);
    ring.close();
  }
});

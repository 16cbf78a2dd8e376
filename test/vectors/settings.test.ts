import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { loadSettings } from '../../src/keyring/settings.ts';
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

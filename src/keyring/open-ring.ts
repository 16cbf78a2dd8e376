import { applicationLog, jsonLinesToStandardError } from './application-log.ts';
import { EnvironmentKeyCheck } from './environment-key.ts';
import { isKeyRotationError } from '../format/error.ts';
import { refuseNodeDebug } from '../format/node-debug.ts';
import { systemClock } from './clock.ts';
import { RingCache } from './ring-cache.ts';
import type { KeyRingOptions, RingTimes } from './options.ts';
import { KeyLookup } from './key-lookup.ts';
import { sourceInRegion, sourceOf } from './source/secret-source.ts';
import { writingKey, type AwsSettings } from './settings.ts';
import type { UsageCounter } from './telemetry/key-usage.ts';

export interface OpenedRing {
  readonly cache: RingCache;
  readonly lookup: KeyLookup;
}

/**
 * Reads the current key and starts to keep it fresh. If AWS returns no key, falls back to `ENCRYPTION_MASTER_KEY` and
 * logs that, or rejects with the reason. Rejects with `INVALID_SETTINGS` under `NODE_DEBUG`, before calling AWS.
 */
export async function openRing(
  settings: AwsSettings,
  times: RingTimes,
  options: KeyRingOptions,
  counter: UsageCounter,
): Promise<OpenedRing> {
  refuseNodeDebug();
  const { clock = systemClock, legacy = true, random = Math.random } = options;
  const { environmentKey, environment, secretId, region } = settings;
  const log = applicationLog(options.logger ?? jsonLinesToStandardError, clock.wall);
  const fallback = writingKey(settings);
  const about = { secret_id: secretId, environment };
  if (fallback !== undefined && environment === 'production') log('env_key_set_in_production', about);

  const source =
    options.source ??
    (options.client === undefined
      ? await sourceInRegion(region, secretId, times.callTimeLimit)
      : await sourceOf(options.client, secretId, times.callTimeLimit));
  let check: EnvironmentKeyCheck | undefined;
  const onRefreshed = () => {
    void check?.run();
    counter.reportDaily();
  };
  const cache = new RingCache({ settings, source, times, clock, random, log, onRefreshed });
  if (environmentKey !== undefined) {
    check = new EnvironmentKeyCheck(cache, environmentKey, () => {
      log('env_key_not_on_ring', about);
    });
  }
  try {
    await cache.refresh();
    await check?.run();
  } catch (error) {
    if (fallback === undefined || !isKeyRotationError(error)) {
      cache.close();
      throw error;
    }
    cache.fallBack(error);
  }
  return { cache, lookup: new KeyLookup(cache, clock, legacy) };
}

import { metrics } from '@opentelemetry/api';
import { KeyRing, type KeyRingOptions } from 'pazpaz-key-rotation';

/**
 * Opens a ring that OpenTelemetry measures: `pazpaz.key.encryptions` by key, and `pazpaz.key.age`. Register the SDK
 * before it, as with every other instrument. `ring.close()` ends the measuring.
 */
export function openMeasuredRing(
  open: (options: KeyRingOptions) => Promise<KeyRing> = (options) => KeyRing.open(undefined, options),
): Promise<KeyRing> {
  return open({ meter: metrics.getMeter('my-application') });
}

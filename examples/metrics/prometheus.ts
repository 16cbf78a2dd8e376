import type { KeyRing } from 'pazpaz-key-rotation';
import { Gauge, type Registry } from 'prom-client';

/** Measures a ring at each scrape. It makes no call to AWS. */
export function measureRing(ring: KeyRing, registry: Registry): void {
  new Gauge({
    name: 'pazpaz_key_encryptions',
    help: 'Encryptions with a key since the ring was opened. One key may encrypt 2^32 times in all processes.',
    labelNames: ['key_number', 'version_id'],
    registers: [registry],
    collect() {
      for (const { keyNumber, versionId = '', encryptions } of ring.usage())
        this.set({ key_number: keyNumber, version_id: versionId }, encryptions);
    },
  });
  new Gauge({
    name: 'pazpaz_key_age_seconds',
    help: 'Seconds since AWS confirmed that the current key is current.',
    registers: [registry],
    collect() {
      this.set(ring.health().ageSeconds ?? NaN);
    },
  });
}

import { ignoreErrors } from '../application-log.ts';
import type { KeyUsage } from './key-usage.ts';

export interface RingObservation {
  observe(value: number, attributes?: Record<string, string | number>): void;
}

/** Its callback is called each time that metrics are collected. */
export interface RingInstrument {
  addCallback(callback: (result: RingObservation) => void): void;
  removeCallback(callback: (result: RingObservation) => void): void;
}

/** The part of OpenTelemetry's `Meter` that a ring uses. */
export interface RingMeter {
  createObservableCounter(name: string, options?: { description?: string; unit?: string }): RingInstrument;
  createObservableGauge(name: string, options?: { description?: string; unit?: string }): RingInstrument;
}

export interface MeteredRing {
  readonly usage: () => readonly KeyUsage[];
  readonly health: () => { readonly ageSeconds?: number; readonly currentNumber?: number };
}

/**
 * Measures `pazpaz.key.encryptions` by key, and `pazpaz.key.age`, the seconds since AWS confirmed the current key,
 * without extra work in an encryption. Returns a function that ends the measuring. Errors of the meter are ignored.
 */
export function measure(meter: RingMeter, { usage, health }: MeteredRing): () => void {
  const encryptions = (result: RingObservation) => {
    for (const { keyNumber, versionId, encryptions } of usage()) {
      result.observe(encryptions, { key_number: keyNumber, ...(versionId && { version_id: versionId }) });
    }
  };
  const age = (result: RingObservation) => {
    const { ageSeconds, currentNumber = 0 } = health();
    if (ageSeconds !== undefined) result.observe(ageSeconds, { key_number: currentNumber });
  };
  const instruments: (readonly [RingInstrument, (result: RingObservation) => void])[] = [];
  ignoreErrors(() => {
    instruments.push([meter.createObservableCounter('pazpaz.key.encryptions', ENCRYPTIONS), encryptions]);
    instruments.push([meter.createObservableGauge('pazpaz.key.age', AGE), age]);
    for (const [instrument, callback] of instruments) instrument.addCallback(callback);
  });
  return () => {
    for (const [instrument, callback] of instruments) {
      ignoreErrors(() => {
        instrument.removeCallback(callback);
      });
    }
  };
}

const ENCRYPTIONS = {
  description: 'Encryptions with a key since the ring was opened. One key may encrypt 2^32 times in all processes.',
  unit: '{encryption}',
};

const AGE = { description: 'Seconds since AWS confirmed that the current key is current.', unit: 's' };

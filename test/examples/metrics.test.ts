import { metrics } from '@opentelemetry/api';
import {
  AggregationTemporality,
  InMemoryMetricExporter,
  MeterProvider,
  PeriodicExportingMetricReader,
} from '@opentelemetry/sdk-metrics';
import { Registry } from 'prom-client';
import { openMeasuredRing } from '../../examples/metrics/opentelemetry.ts';
import { measureRing } from '../../examples/metrics/prometheus.ts';
import { closeRings, RingWorld } from '../keyring/support/ring-world.ts';

afterEach(closeRings);

test('prom-client shows the encryptions of each key, and how long ago the current one was confirmed', async () => {
  const world = await RingWorld.withKeys(1);
  const ring = await world.open();
  const registry = new Registry();
  measureRing(ring, registry);
  ring.encryptField('note');
  await world.rotate();
  await ring.refresh();
  ring.encryptField('note');
  ring.encryptField('note');
  world.cutNetwork();
  await world.clock.advance(60_000);
  const page = await registry.metrics();
  expect(page).toMatch(/^pazpaz_key_encryptions\{key_number="1",version_id=".+"\} 1$/m);
  expect(page).toMatch(/^pazpaz_key_encryptions\{key_number="2",version_id=".+"\} 2$/m);
  expect(page).toMatch(/^pazpaz_key_age_seconds 60$/m);
});

test('OpenTelemetry exports the same, until the ring is closed', async () => {
  const exporter = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE);
  const reader = new PeriodicExportingMetricReader({ exporter, exportIntervalMillis: 3_600_000 });
  const provider = new MeterProvider({ readers: [reader] });
  metrics.setGlobalMeterProvider(provider);
  const exported = async () => {
    exporter.reset();
    await reader.forceFlush();
    const found = exporter.getMetrics().flatMap(({ scopeMetrics }) => scopeMetrics.flatMap((scope) => scope.metrics));
    return found.flatMap(({ descriptor, dataPoints }) =>
      dataPoints.map(({ attributes, value }) => [descriptor.name, attributes['key_number'], value]),
    );
  };

  const world = await RingWorld.withKeys(1);
  const ring = await openMeasuredRing((options) => world.open(options));
  ring.encryptField('note');
  await world.clock.advance(30_000);
  const measured = [
    ['pazpaz.key.encryptions', 1, 1],
    ['pazpaz.key.age', 1, 30],
  ];
  expect(await exported()).toEqual(measured);
  ring.close();
  await world.clock.advance(30_000);
  expect(await exported()).toEqual(measured);
  await provider.shutdown();
  metrics.disable();
});

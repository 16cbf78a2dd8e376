import { KeyRing, loadSettings } from 'pazpaz-key-rotation';
import { createApp } from './app.ts';

// Before the first request: an application that cannot encrypt must not be given any.
const ring = await KeyRing.open(loadSettings());
await ring.warm();

const server = createApp(ring).listen(Number(process.env['PORT'] ?? 3000), () => {
  console.log(`listening on ${JSON.stringify(server.address())}`);
});

for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  process.once(signal, () => {
    // The ring last: requests that are under way still need it.
    server.close(() => {
      ring.close();
    });
  });
}

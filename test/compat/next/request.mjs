// Starts what `next build` has built, and asks it for a note.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import next from 'next';

/* global fetch */

const app = next({ dev: false });
await app.prepare();
const server = createServer(app.getRequestHandler()).listen(0);
await once(server, 'listening');
const response = await fetch(`http://127.0.0.1:${server.address().port}/note`);
assert.deepEqual([response.status, await response.text()], [200, 'note']);
process.exit();

import express, { type ErrorRequestHandler, type Express } from 'express';
import { isKeyRotationError, type KeyRing } from 'pazpaz-key-rotation';

/** Where the notes are kept; a database in a real application. */
export type Notes = Map<string, Uint8Array>;

/** An application that stores notes encrypted. The ring comes from outside, so that a test can bring its own. */
export function createApp(ring: KeyRing, notes: Notes = new Map()): Express {
  const app = express();
  app.use(express.text());

  app.put('/patients/:id/notes', (request, response) => {
    const { id } = request.params;
    const note: unknown = request.body;
    // Express leaves the body undefined where it is no text/plain, and 'undefined' is not a note.
    if (typeof note !== 'string') {
      response.sendStatus(415);
      return;
    }
    notes.set(id, ring.encryptField(note, contextOf(id)));
    response.sendStatus(204);
  });

  app.get('/patients/:id/notes', async (request, response) => {
    const { id } = request.params;
    const row = notes.get(id);
    if (row === undefined) response.sendStatus(404);
    else response.type('text/plain').send(await ring.decryptField(row, contextOf(id)));
  });

  app.get('/health', (_request, response) => {
    const health = ring.health();
    response.status(health.canEncrypt ? 200 : 503).json(health);
  });

  // For a metrics library: how near each key is to its 2^32 encryptions.
  app.get('/usage', (_request, response) => {
    response.json({ isFallenBack: ring.isFallenBack, keys: ring.usage() });
  });

  app.use(answerFailure);
  return app;
}

/** Answers 503 where trying again may help and 500 otherwise. The details go to the log alone. */
const answerFailure: ErrorRequestHandler = (error, request, response, next) => {
  if (!isKeyRotationError(error)) {
    next(error);
    return;
  }
  const event = request.method === 'GET' ? 'note_unreadable' : 'note_not_stored';
  console.error(JSON.stringify({ level: 'ERROR', event, code: error.code, message: error.message }));
  if (error.code === 'KEY_UNAVAILABLE' || error.code === 'KEY_TOO_OLD')
    response.status(503).set('Retry-After', '5').end();
  else response.sendStatus(500);
};

function contextOf(id: string): string {
  return `patients:${id}:notes`;
}

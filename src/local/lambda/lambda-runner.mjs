/**
 * Runs a built Lambda once in a process of its own: the parent sends one message, this answers with one. It plays the
 * part of Lambda's own runtime, so the bundle must not be able to tell: the parent's channel is hidden from it and its
 * `Date` is the service's clock. A plain script, because it runs from `src` in tests and from `dist` in the product.
 */
import { performance } from 'node:perf_hooks';
import { pathToFileURL } from 'node:url';

const send = process.send?.bind(process);
delete process.send;

process.once('message', (message) => {
  run(message).then(
    (result) => answer({ result: result === undefined ? null : result }),
    (error) => answer({ error: lambdaError(error) }),
  );
});

async function run({ bundle, event, context, clockOffset, timeout }) {
  moveDate(clockOffset);
  const module = await import(pathToFileURL(bundle).href);
  const handler = module.handler ?? module.default?.handler;
  if (typeof handler !== 'function') {
    throw Object.assign(new Error(`${bundle} exports no function named handler`), { name: 'Runtime.HandlerNotFound' });
  }
  // Lambda's clock for the deadline is not the faked one: performance.now() cannot be moved.
  const deadline = performance.now() + timeout;
  return handler(event, {
    ...context,
    callbackWaitsForEmptyEventLoop: true,
    getRemainingTimeInMillis: () => Math.max(0, Math.floor(deadline - performance.now())),
  });
}

function moveDate(offset) {
  const RealDate = Date;
  const now = () => RealDate.now() + offset;
  globalThis.Date = new Proxy(RealDate, {
    construct: (target, args, newTarget) => Reflect.construct(target, args.length === 0 ? [now()] : args, newTarget),
    apply: () => new RealDate(now()).toString(),
    get: (target, property) => (property === 'now' ? now : Reflect.get(target, property)),
  });
}

function lambdaError(error) {
  if (!(error instanceof Error)) return { errorType: typeof error, errorMessage: String(error), trace: [] };
  return { errorType: error.name, errorMessage: error.message, trace: (error.stack ?? '').split('\n') };
}

/** The answer leaves before the process ends, and so do the last lines of the log. */
function answer(message) {
  send?.(message, () => {
    process.stdout.write('', () => process.exit(0));
  });
}

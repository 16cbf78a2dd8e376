/**
 * Runs a built Lambda in a process of its own: the parent sends a message, this answers with one, and ends unless it is
 * kept warm. It plays the part of Lambda's own runtime, so the bundle must not be able to tell: the parent's channel is
 * hidden from it and its `Date` is the service's clock. A plain script, because it runs from `src` in tests and from
 * `dist` in the product.
 */
import { performance } from 'node:perf_hooks';
import { pathToFileURL } from 'node:url';

const send = process.send?.bind(process);
delete process.send;

const RealDate = Date;
let offset = 0;
moveDate();

process.on('message', (message) => {
  offset = message.clockOffset;
  run(message).then(
    (result) => answer({ result: result === undefined ? null : result }, message),
    (error) => answer({ error: lambdaError(error) }, message),
  );
});
// A warm process has nothing left to wait for.
process.once('disconnect', () => process.exit(0));

async function run({ bundle, event, context, timeout }) {
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

function moveDate() {
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
function answer(message, { isKeptWarm }) {
  send?.(message, () => {
    if (!isKeptWarm) process.stdout.write('', () => process.exit(0));
  });
}

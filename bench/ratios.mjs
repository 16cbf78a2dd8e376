/** How long is measured: many short rounds, so that a slow moment of the machine is in few of them. */
const DEFAULT_ROUNDS = { rounds: 101, milliseconds: 8 };

/** What passes on the wall; for what works in threads of its own. Nanoseconds. */
export const wallTime = () => Number(process.hrtime.bigint());

/** What this process spends, its garbage collection included: a machine that is busy otherwise does not count. */
export const processorTime = () => {
  const { user, system } = process.cpuUsage();
  return (user + system) * 1000;
};

/**
 * How many times as fast `ours` is as `theirs`. Both take turns in short rounds. What returns a promise is awaited.
 */
export async function ratios(ours, theirs, time = processorTime, { rounds, milliseconds } = DEFAULT_ROUNDS) {
  const turns = [await turnOf(ours, time, milliseconds), await turnOf(theirs, time, milliseconds)];
  return ratiosOfTurns([turns], rounds);
}

/**
 * The ratio of two turns, each a function that gives the nanoseconds of one call. Of several pairs of such turns, each is
 * asked in turn. Each side is first in every other round. The median of the rounds' ratios counts, since a machine that is slow for a while is slow for both of a round. Half of the
 * rounds are within `spread`.
 */
export async function ratiosOfTurns(pairs, rounds) {
  const times = [[], []];
  for (let round = 0; round < rounds; round += 1) {
    const turns = pairs[round % pairs.length];
    const isOursFirst = Math.floor(round / pairs.length) % 2 === 0;
    for (const which of isOursFirst ? [0, 1] : [1, 0]) times[which].push(await turns[which]());
  }
  const [oursNanoseconds, theirsNanoseconds] = times.map(median);
  const each = times[0].map((ours, round) => times[1][round] / ours);
  const spread = [quantile(each, 0.25), quantile(each, 0.75)];
  return { ratio: median(each), spread, oursNanoseconds, theirsNanoseconds };
}

/** Warms up, and gives a function that measures nanoseconds for one call over many calls. */
export async function turnOf(act, time, milliseconds) {
  const measure = act() instanceof Promise ? measureAsync : measureSync;
  let calls = 16;
  // Twice: the first time the code is not compiled yet.
  for (let pass = 0; pass < 2; pass += 1) {
    const nanoseconds = await measure(act, calls, wallTime);
    calls = Math.max(1, Math.min(200_000, Math.round((milliseconds * 1e6) / nanoseconds)));
    await measure(act, calls * 4, wallTime);
  }
  return () => measure(act, calls, time);
}

function measureSync(act, calls, time) {
  const start = time();
  for (let call = 0; call < calls; call += 1) act();
  return (time() - start) / calls;
}

async function measureAsync(act, calls, time) {
  const start = time();
  for (let call = 0; call < calls; call += 1) await act();
  return (time() - start) / calls;
}

const median = (values) => quantile(values, 0.5);

function quantile(values, share) {
  return [...values].sort((one, other) => one - other)[Math.floor(values.length * share)];
}

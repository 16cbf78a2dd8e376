/**
 * The TypeScript side of test_agreement.py. `node other_language.mjs LIBRARY` reads a JSON object on standard input, does
 * with the built library what its lists ask for, and prints what came of each. Bytes are hexadecimal.
 */
import { createRequire } from 'node:module';
import { text as read } from 'node:stream/consumers';

const { KeyMaterial, KeyRing, KeyRotationError, decryptBytes, decryptField, encryptField, loadSettings, ...library } =
  createRequire(import.meta.url)(process.argv[2]);
const { rowFromJson, rowFromText, toKeyNumber } = library;

const { rows, cells, texts, values, environments, rings, keys } = JSON.parse(await read(process.stdin));
const materials = Object.fromEntries(Object.entries(keys).map(([name, key]) => [name, materialOf(key)]));

const answer = {
  rows: await each(rows, readRow),
  cells: await each(cells, readCell),
  texts: await each(texts, writeText),
  values: await each(values, readValue),
  environments: await each(environments, readSettings),
  rings: await each(rings, useRing),
};
process.stdout.write(JSON.stringify(answer));

function readRow({ row, key, context, legacy }) {
  const given = [bytesOf(row), materials[key], context, { legacy }];
  return { bytes: decryptBytes(...given).toString('hex'), text: orCode(() => decryptField(...given)) };
}

function readCell({ text, member }) {
  const json = orCode(() => rowFromJson(text, member).toString('hex'));
  return { text: rowFromText(text).toString('hex'), json };
}

function writeText({ text, key, context, number }) {
  const options = { number: number === 0 ? 0 : toKeyNumber(number) };
  return { row: encryptField(text, materials[key], context, options).toString('hex') };
}

/** A value is read as a ring reads it; the key shows in what it encrypts. */
async function readValue(value) {
  const versions = [{ versionId: 'version', stages: ['AWSCURRENT'], ...value }];
  const ring = await openRing({ versions });
  const row = ring.encryptField('probe').toString('hex');
  ring.close();
  return { row };
}

function readSettings(env) {
  const { environment, region, secretId, environmentKey, numberedKeys, hasFallback } = loadSettings(env);
  return {
    numbered: [...numberedKeys].map(([number, key]) => [number, key.exportBytes().toString('hex')]),
    hasFallback: hasFallback ?? true,
    environment,
    region: region ?? null,
    secretId: secretId ?? null,
    key: environmentKey?.exportBytes().toString('hex') ?? null,
  };
}

/** A ring for each row, so that none has to wait its turn to ask AWS again. */
async function useRing(asked) {
  const writer = await openRing(asked);
  const written = writer.encryptField('probe', 'context').toString('hex');
  writer.close();
  const outcomes = await each(asked.rows, async ({ row, context }) => {
    const ring = await openRing(asked);
    const outcome = await ring.decryptBytes(bytesOf(row), context).finally(ring.close);
    return { bytes: outcome.toString('hex') };
  });
  return { written, outcomes };
}

async function openRing(asked) {
  const service = { isSilent: asked.aws === 'silent' };
  const environmentKey = asked.environmentKey === undefined ? undefined : materials[asked.environmentKey];
  const settings =
    asked.aws === 'not asked'
      ? { keySource: 'environment', environment: 'local', environmentKey }
      : { keySource: 'aws', environment: 'staging', region: 'us-east-1', secretId: 'name', environmentKey };
  const options = { source: sourceOf(asked, service), legacy: asked.legacy ?? true, logger: () => undefined };
  const ring = await KeyRing.open(settings, options);
  service.isSilent ||= asked.aws === 'silent after opening';
  return ring;
}

function sourceOf({ versions, primaryRegion }, service) {
  return {
    describe: async () => {
      if (service.isSilent) throw new Error('silent');
      return {
        ARN: 'arn:aws:secretsmanager:us-east-1:123456789012:secret:name-AbCdEf',
        PrimaryRegion: primaryRegion,
        VersionIdsToStages: Object.fromEntries(versions.map(({ versionId, stages }) => [versionId, stages])),
      };
    },
    read: async (versionId) => {
      if (service.isSilent) throw new Error('silent');
      const { denied, secretString, secretBinary, stages } = versions.find((known) => known.versionId === versionId);
      if (denied === true) throw Object.assign(new Error('no'), { name: 'AccessDeniedException', $fault: 'client' });
      return {
        SecretString: secretString,
        SecretBinary: secretBinary === undefined ? undefined : bytesOf(secretBinary),
        VersionStages: stages,
      };
    },
    close: () => undefined,
  };
}

async function each(list, act) {
  const outcomes = [];
  for (const asked of list) {
    try {
      outcomes.push(await act(asked));
    } catch (error) {
      outcomes.push(codeOf(error));
    }
  }
  return outcomes;
}

function orCode(act) {
  try {
    return act();
  } catch (error) {
    return codeOf(error);
  }
}

/** Any other error than the library's own ends the process. */
function codeOf(error) {
  if (!(error instanceof KeyRotationError)) throw error;
  return { error: error.code };
}

function materialOf(key) {
  return KeyMaterial.fromBytes(bytesOf(key));
}

function bytesOf(hex) {
  return Buffer.from(hex, 'hex');
}

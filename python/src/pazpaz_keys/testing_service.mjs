import { createInterface } from 'node:readline';
import { pathToFileURL } from 'node:url';

/*
 * Starts the Secrets Manager of `pazpaz-key-rotation/testing` for testing.py, and carries out a call for each line of
 * standard input: node testing_service.mjs MODULE OPTIONS. It ends with its input, also where the other process was
 * killed.
 */
const [module, options] = process.argv.slice(2);
const { startSecretsManager } = await import(pathToFileURL(module).href);
const service = await startSecretsManager(JSON.parse(options));
answer({ url: service.url, environment: service.environment });
for await (const line of createInterface({ input: process.stdin })) {
  const { name, arguments: given } = JSON.parse(line);
  try {
    const member = service[name];
    answer({ result: typeof member === 'function' ? await member(...given) : member });
  } catch (error) {
    answer({ error: error.message });
  }
}
await service.close();

function answer(value) {
  process.stdout.write(`${JSON.stringify(value)}\n`);
}

import { randomBytes } from 'node:crypto';
import { createInterface } from 'node:readline/promises';
import { parseArgs } from 'node:util';
import { ListSecretsCommand, SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import { Account, checkFacts, FACTS } from './facts.mjs';

const USAGE = `npm run test:account [-- OPTIONS]

Checks on a real AWS account what this project relies on of Secrets Manager (docs/aws-behaviour.md), and prints each
difference. Credentials and region: as for the AWS CLI. Makes about ${FACTS.length} secrets under a prefix of its own and deletes
them at the end, after a failure too. Cost: less than 5 US cents. Needs no KMS key and no Lambda.

  --endpoint URL  another service, such as the local one or moto's server
  --prefix NAME   of the secrets (default: pazpaz-account-test-, and eight random digits)
  --list          print the facts and their sources, and call nothing
  --yes           begin without the question
  --json          one JSON object

Exit codes: 0 all facts hold, 1 some do not, 2 wrong usage, 3 the service cannot be reached or refuses the credentials.
`;

process.exitCode = await main();

async function main() {
  let values;
  try {
    ({ values } = parseArgs({
      options: {
        endpoint: { type: 'string' },
        prefix: { type: 'string', default: `pazpaz-account-test-${randomBytes(4).toString('hex')}` },
        list: { type: 'boolean', default: false },
        yes: { type: 'boolean', default: false },
        json: { type: 'boolean', default: false },
        help: { type: 'boolean', default: false },
      },
    }));
  } catch (error) {
    process.stderr.write(`${error.message}\n\n${USAGE}`);
    return 2;
  }
  if (values.help) {
    process.stdout.write(USAGE);
    return 0;
  }
  const { endpoint, prefix, json } = values;
  if (values.list) {
    process.stdout.write(FACTS.map(({ says, source }, index) => `${index + 1}. ${says} (${source})\n`).join(''));
    return 0;
  }
  const client = new SecretsManagerClient(endpoint === undefined ? {} : { endpoint });
  try {
    // Nothing is made before the credentials were seen to work.
    const region = await client.config.region();
    await client.send(new ListSecretsCommand({ MaxResults: 1 }));
    const where = `${region}, ${endpoint ?? 'AWS'}`;
    if (
      !values.yes &&
      !(await isAgreed(`About ${FACTS.length} secrets '${prefix}/…' are made in ${where}, and deleted. Begin?`))
    )
      return 2;
  } catch (error) {
    process.stderr.write(
      `Secrets Manager does not answer (${error.name}: ${error.message}). Check credentials and region.\n`,
    );
    return 3;
  }
  const account = new Account(client, prefix);
  let results;
  try {
    results = await checkFacts(account, ({ number, says, difference }) => {
      if (json) return;
      process.stdout.write(`${difference === undefined ? 'holds ' : 'DIFFERS'} ${number}. ${says}\n`);
      if (difference !== undefined) process.stdout.write(`        ${difference}\n`);
    });
  } finally {
    await account.cleanUp();
    client.destroy();
  }
  const differences = results.filter(({ difference }) => difference !== undefined);
  if (json) process.stdout.write(`${JSON.stringify({ results })}\n`);
  else process.stdout.write(`\n${results.length - differences.length} of ${results.length} facts hold.\n`);
  return differences.length === 0 ? 0 : 1;
}

/** No answer, such as the end of the input, is a no. */
async function isAgreed(question) {
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  const ended = new Promise((resolve) => terminal.once('close', () => resolve('')));
  const answer = await Promise.race([terminal.question(`${question} [y/N] `), ended]);
  terminal.close();
  return /^y(es)?$/i.test(answer.trim());
}

import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';

/* The parameters utility of Powertools for TypeScript: a value is read once, and again where the caller forces it. */
const { resolve } = createRequire(`${process.cwd()}/`);
const { getSecret } = await import(pathToFileURL(resolve('@aws-lambda-powertools/parameters/secrets')).href);
const { PutSecretValueCommand, SecretsManagerClient } = await import(
  pathToFileURL(resolve('@aws-sdk/client-secrets-manager')).href
);

const SecretId = process.env.SECRET;
console.log(await getSecret(SecretId));
console.log(await getSecret(SecretId));
await new SecretsManagerClient().send(new PutSecretValueCommand({ SecretId, SecretString: 'second' }));
console.log(await getSecret(SecretId, { forceFetch: true }));
console.log(await getSecret(SecretId, { forceFetch: true, sdkOptions: { VersionStage: 'AWSPREVIOUS' } }));

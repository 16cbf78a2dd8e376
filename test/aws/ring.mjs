// An application with the built library: node ring.mjs LIBRARY encrypt TEXT CONTEXT | decrypt BASE64 CONTEXT
import { pathToFileURL } from 'node:url';

const [library, what, input, context] = process.argv.slice(2);
const { KeyRing } = await import(pathToFileURL(library).href);
const ring = await KeyRing.open();
console.log(
  what === 'encrypt'
    ? ring.encryptField(input, context).toString('base64')
    : await ring.decryptField(Buffer.from(input, 'base64'), context),
);
ring.close();

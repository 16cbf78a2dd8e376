/** What the backups use of the library. Imported on use: no other command needs its curves, and so a bundle keeps no more. */
export { armor, Decrypter, Encrypter, Stanza } from 'age-encryption';

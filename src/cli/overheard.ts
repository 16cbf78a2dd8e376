/**
 * Under `NODE_DEBUG` Node itself prints the first bytes of whatever it reads, standard input and the answers of AWS
 * alike: a key would get onto the screen, and nothing here can stop it. Ends the process with 2, wrong usage, before
 * anything is read.
 */
export function refuseToBeOverheard(): void {
  if ((process.env['NODE_DEBUG'] ?? '') === '') return;
  process.stderr.write(
    'pazpaz-keys: INVALID_SETTINGS\n' +
      'The environment variable NODE_DEBUG must not be set, found a value: it makes Node print what it reads, keys\n' +
      'included. Run the command without it (env -u NODE_DEBUG pazpaz-keys ...).\n',
  );
  process.exit(2);
}

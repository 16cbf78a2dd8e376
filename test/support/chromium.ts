import { existsSync } from 'node:fs';

/** A real browser: the one that `CHROMIUM` names, or that a Linux distribution installs. */
export const CHROMIUM = [
  process.env['CHROMIUM'],
  '/usr/bin/chromium',
  '/usr/bin/chromium-browser',
  '/usr/bin/google-chrome',
].find((path) => path !== undefined && existsSync(path));

/** `test` where there is a browser. Otherwise the tests are left out, and this says aloud which. */
export function inBrowser(leftOut: string): jest.It {
  if (CHROMIUM !== undefined) return test;
  console.warn(`No Chromium was found: ${leftOut}.`);
  return test.skip;
}

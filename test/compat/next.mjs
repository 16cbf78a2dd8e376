import { copyFile, mkdir } from 'node:fs/promises';
import { join } from 'node:path';

export const NEXT_PACKAGES = ['next', 'react', 'react-dom'];

export const NEXT_FILES = {
  'package.json': '{ "name": "project", "version": "1.0.0", "private": true }',
  'next.config.mjs': "export default { serverExternalPackages: ['pazpaz-key-rotation'] };",
};

/** Puts the application into the project. Returns the commands that build it and ask it for a note. */
export async function nextCommands(project) {
  const here = join(import.meta.dirname, 'next');
  await mkdir(join(project, 'app', 'note'), { recursive: true });
  await copyFile(join(here, 'route.js'), join(project, 'app', 'note', 'route.js'));
  await copyFile(join(here, 'request.mjs'), join(project, 'request.mjs'));
  return [
    [process.execPath, join('node_modules', '.bin', 'next'), 'build'],
    [process.execPath, 'request.mjs'],
  ];
}

import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, relative, resolve } from 'node:path';
import { compileFunction } from 'node:vm';
import { transformSync } from '@swc/core';
import { ModuleMocker } from 'jest-mock';

/*
 * Modules that stand for others: nothing goes over HTTP, and the SDK takes longer to load than all tests to run. Paths
 * are relative: Stryker works on a copy of the repository, which it makes the working directory later.
 */
const INSTEAD_OF_PACKAGE = new Map([['@aws-sdk/client-secrets-manager', 'test/mutation/sdk.ts']]);
const INSTEAD_OF_FILE = new Map([['src/local/http/http-server.ts', 'test/mutation/server.ts']]);

const SWC_OPTIONS = {
  configFile: false,
  swcrc: false,
  sourceMaps: 'inline',
  // Moves `jest.mock` above the imports, as under Jest.
  jsc: { parser: { syntax: 'typescript' }, target: 'es2023', transform: { hidden: { jest: true } } },
  module: { type: 'commonjs' },
};

const PARAMETERS = ['module', 'exports', 'require', '__filename', '__dirname', 'jest'];

const compiled = new Map();

/** A module's function, compiled once in the life of this process. */
function functionOf(path) {
  let made = compiled.get(path);
  if (made === undefined) {
    const { code } = transformSync(readFileSync(path, 'utf8'), { ...SWC_OPTIONS, filename: path });
    made = compileFunction(code, PARAMETERS, { filename: path });
    compiled.set(path, made);
  }
  return made;
}

const mocker = new ModuleMocker(globalThis);

/** Our own modules, each evaluated once in a registry; packages are evaluated once in the process. */
export class Modules {
  #loaded = new Map();
  #mocks = new Map();

  load(path) {
    const loaded = this.#loaded.get(path);
    if (loaded !== undefined) return loaded.exports;
    const module = { exports: {} };
    this.#loaded.set(path, module);
    if (path.endsWith('.json')) module.exports = JSON.parse(readFileSync(path, 'utf8'));
    else if (path.endsWith('.sql')) module.exports = readFileSync(path, 'utf8');
    else functionOf(path)(module, module.exports, this.#requireFrom(path), path, dirname(path), this.#jestFor(path));
    return module.exports;
  }

  #requireFrom(from) {
    const ofPackages = createRequire(from);
    return (name) => {
      if (name === '@jest/globals') return { ...globalThis, jest: this.#jestFor(from) };
      if (!name.startsWith('.')) {
        const instead = INSTEAD_OF_PACKAGE.get(name);
        return instead === undefined ? ofPackages(name) : this.load(resolve(instead));
      }
      const path = resolve(dirname(from), name);
      const mock = this.#mocks.get(path);
      if (mock === undefined) return this.load(resolve(INSTEAD_OF_FILE.get(relative('.', path)) ?? path));
      mock.exports ??= mock.make();
      return mock.exports;
    };
  }

  /** As much of Jest's object as our tests use. */
  #jestFor(from) {
    const pathOf = (name) => resolve(dirname(from), name);
    return {
      fn: (...args) => mocker.fn(...args),
      spyOn: (...args) => mocker.spyOn(...args),
      restoreAllMocks: () => mocker.restoreAllMocks(),
      setTimeout: () => undefined,
      mock: (name, make) => void this.#mocks.set(pathOf(name), { make }),
      requireActual: (name) => this.load(pathOf(name)),
      isolateModules: (work) => {
        const loaded = this.#loaded;
        this.#loaded = new Map();
        try {
          work();
        } finally {
          this.#loaded = loaded;
        }
      },
    };
  }
}

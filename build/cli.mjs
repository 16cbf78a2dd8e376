import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { writeMetafile } from './metafile.mjs';
import { buildTool, CLI } from './tool.mjs';

/*
 * Builds the operator's commands for the package: each file with its libraries. A project that installs the package
 * has the SDK of Secrets Manager, and none of the other libraries that the commands need.
 */
const { out } = parseArgs({ options: { out: { type: 'string', default: join('dist', 'cli') } } }).values;
await writeMetafile(out, [await buildTool(out, CLI)]);

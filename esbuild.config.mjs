import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { buildLambda } from './build/lambda.mjs';
import { buildTool, CLI } from './build/tool.mjs';

const { out } = parseArgs({ options: { out: { type: 'string', default: 'dist' } } }).values;

// Not the whole folder: build/library.mjs has its own beside these.
for (const folder of ['lambda', 'local', 'story', 'cli']) await rm(join(out, folder), { recursive: true, force: true });
const [metafile] = await Promise.all([
  buildLambda(join(out, 'lambda')),
  buildTool(join(out, 'local'), { local: 'src/local/main.ts', 'lambda-runner': 'src/local/lambda/lambda-runner.mjs' }),
  buildTool(join(out, 'story'), { story: 'src/story/main.ts' }),
  buildTool(join(out, 'cli'), CLI),
]);
await writeFile(join(out, 'lambda.meta.json'), JSON.stringify(metafile));

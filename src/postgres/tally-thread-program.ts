import { parentPort, workerData } from 'node:worker_threads';
import { isKeyRotationError } from '../format/error.ts';
import { BinaryRows } from './connection/copy-query.ts';
import { rowReader } from './row-reader.ts';
import { Tally } from './tally.ts';
import { keysOf, type FromThread, type ThreadStart, type ToThread } from './tally-thread.ts';

/** The program of a thread: opens the rows that it is sent, and counts them. */
const start = workerData as ThreadStart;
const tally = new Tally(start.column, keysOf(start));
const read = rowReader(start.column);
let rows = new BinaryRows();

parentPort?.on('message', (message: ToThread) => {
  parentPort?.postMessage(answerTo(message));
});

function answerTo(message: ToThread): FromThread {
  if (message.kind === 'count') return { kind: 'counts', counts: tally.counts };
  const before = tally.counts.rows;
  if (message.isFirst) rows = new BinaryRows();
  try {
    rows.read(Buffer.from(message.bytes.buffer, message.bytes.byteOffset, message.bytes.length), (cells) => {
      tally.add(read(cells));
    });
    return { kind: 'taken', rows: tally.counts.rows - before };
  } catch (error) {
    if (!isKeyRotationError(error)) throw error;
    return { kind: 'failed', code: error.code, message: error.message };
  }
}

import { setTimeout as sleep } from 'node:timers/promises';

/** Waits until it is so, for as long as that takes: Jest's own limit ends a test that waits in vain. */
export async function until(isSo: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await isSo())) await sleep(5);
}

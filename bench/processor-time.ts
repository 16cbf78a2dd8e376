import { readdirSync, readFileSync } from 'node:fs';
import type pg from 'pg';

/** Ticks of /proc/<pid>/stat in a second: 100 on every Linux that Node runs on (proc(5), sysconf(_SC_CLK_TCK)). */
const TICKS = 100;

/** Places in /proc/<pid>/stat after the name: parent; time of itself in user and kernel; the same of children it waited for. */
const PARENT = 1;
const OWN = [11, 12];
const CHILDREN = [13, 14];

/** Seconds of processor time that a PostgreSQL and all of its processes have used; `undefined` where there is no /proc. */
export async function processorTime(client: pg.Client): Promise<number | undefined> {
  const { rows } = await client.query<{ folder: string }>("SELECT current_setting('data_directory') AS folder");
  const server = Number(readFileSync(`${rows[0]?.folder ?? ''}/postmaster.pid`, 'utf8').split('\n')[0]);
  const own = statOf(server);
  if (own === undefined) return undefined;
  let ticks = sum(own, [...OWN, ...CHILDREN]);
  for (const name of readdirSync('/proc')) {
    const stat = /^[0-9]+$/.test(name) ? statOf(Number(name)) : undefined;
    if (stat?.[PARENT] === server) ticks += sum(stat, OWN);
  }
  return ticks / TICKS;
}

function statOf(process: number): readonly number[] | undefined {
  try {
    const stat = readFileSync(`/proc/${process}/stat`, 'utf8');
    // The name before may hold spaces and brackets itself.
    return stat
      .slice(stat.lastIndexOf(')') + 2)
      .split(' ')
      .map(Number);
  } catch {
    // It has ended meanwhile, or this is no Linux.
    return undefined;
  }
}

function sum(stat: readonly number[], places: readonly number[]): number {
  return places.reduce((total, place) => total + (stat[place] ?? 0), 0);
}

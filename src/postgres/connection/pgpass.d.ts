/** Reads `PGPASSFILE` or `~/.pgpass`. It has no types of its own. */
declare module 'pgpass' {
  interface Entry {
    readonly host: string;
    readonly port: number;
    readonly database: string;
    readonly user: string;
  }
  export default function pgpass(entry: Entry, done: (password: string | undefined) => void): void;
}

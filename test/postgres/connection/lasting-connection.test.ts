import { Connection } from '../../../src/postgres/connection/database.ts';
import { DatabaseFailure } from '../../../src/postgres/connection/database-error.ts';
import { LastingConnection } from '../../../src/postgres/connection/lasting-connection.ts';

const refused = new DatabaseFailure('DATABASE_REFUSED', 'The database refused (28P01).', '28P01');
const lost = new DatabaseFailure('CANNOT_REACH_DATABASE', 'The connection was lost.', '57P01');
const session = { isOpen: true, close: () => Promise.resolve() } as unknown as Connection;
const fetched = { credentials: () => Promise.resolve({ password: () => 'first' }) };

/** Work that loses its connection once. */
function losing(): () => Promise<string> {
  let runs = 0;
  return () => {
    runs += 1;
    return runs === 1 ? Promise.reject(lost) : Promise.resolve('done');
  };
}

let open: jest.SpyInstance;
beforeEach(() => {
  open = jest.spyOn(Connection, 'open').mockResolvedValue(session);
});
afterEach(() => {
  open.mockRestore();
});

it('a password that is fetched may be refused for a while, once it was right', async () => {
  open.mockResolvedValueOnce(session).mockRejectedValueOnce(refused);
  const connection = new LastingConnection(fetched, new AbortController().signal);
  expect(await connection.during(losing())).toBe('done');
  await connection.close();
  expect(open).toHaveBeenCalledTimes(3);
});

it.each([
  ['that has never been right', fetched, [refused]],
  ['that no one changes', { url: 'postgres://operator:wrong@localhost/app' }, [undefined, refused]],
])('a password %s is refused at once', async (_, database, answers) => {
  for (const answer of answers) {
    if (answer === undefined) open.mockResolvedValueOnce(session);
    else open.mockRejectedValueOnce(answer);
  }
  const connection = new LastingConnection(database, new AbortController().signal);
  await expect(connection.during(losing())).rejects.toBe(refused);
  expect(open).toHaveBeenCalledTimes(answers.length);
});

it('work that is stopped is not begun again', async () => {
  const stop = new AbortController();
  const connection = new LastingConnection(fetched, stop.signal);
  const work = () => {
    stop.abort();
    return Promise.reject<string>(lost);
  };
  await expect(connection.during(work)).rejects.toBe(lost);
  expect(open).toHaveBeenCalledTimes(1);
});

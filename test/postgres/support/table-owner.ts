import pg from 'pg';
import { giveCredentials } from '../../cli/support/operator.ts';
import { stopServices } from '../../local/support/running-service.ts';
import { startPostgres, type Postgres } from './postgres.ts';

/** A role that owns tables and is no superuser. */
export interface TableOwner {
  /** The address of the database, for its superuser. */
  readonly url: () => string;
  readonly query: <Row extends pg.QueryResultRow>(
    text: string,
    values?: readonly unknown[],
  ) => Promise<pg.QueryResult<Row>>;
}

/** For the tests of a file: a PostgreSQL with such a role, and commands that run with credentials. */
export function withTableOwner(): TableOwner {
  let postgres: Postgres;
  let owner: pg.Client;
  beforeAll(async () => {
    giveCredentials();
    postgres = await startPostgres();
    await postgres.client.query('CREATE ROLE own LOGIN; GRANT CREATE ON DATABASE postgres TO own');
    owner = new pg.Client({ connectionString: postgres.url.replace('postgres@', 'own@') });
    await owner.connect();
  });
  afterEach(stopServices);
  afterEach(() => {
    jest.restoreAllMocks();
  });
  afterAll(async () => {
    await owner.end();
    await postgres.stop();
  });
  return {
    url: () => postgres.url,
    query: <Row extends pg.QueryResultRow>(text: string, values: readonly unknown[] = []) =>
      owner.query<Row>(text, [...values]),
  };
}

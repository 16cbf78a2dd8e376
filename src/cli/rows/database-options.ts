import type { Command } from 'commander';
import type { DatabaseAddress } from '../../postgres/connection/database.ts';
import { rdsToken, secretOfDatabase } from '../aws/database-credentials.ts';
import type { AwsSession } from '../aws/session.ts';
import { someText, wrongUsage } from '../command.ts';
import { given, type ProcessIo } from '../process-io.ts';
import type { DatabaseFlags } from './column-flags.ts';

/** One of these variables of libpq says that a database is meant. */
const PG_VARIABLES = ['PGHOST', 'PGDATABASE', 'PGUSER', 'PGPORT', 'PGSERVICE'];

export function databaseOptions(command: Command): Command {
  return command
    .option(
      '--database-url <url>',
      'PostgreSQL address without its password, which the process list and the shell history would show: use ' +
        'PGPASSWORD or ~/.pgpass (default: DATABASE_URL, else PGHOST, PGUSER, …)',
      someText,
    )
    .option(
      '--database-secret <arn>',
      'the secret with the role and the password, as RDS keeps it; read for each connection',
      someText,
    )
    .option('--rds-iam', 'log in with a token of IAM, made for each connection');
}

/** Throws `INVALID_SETTINGS` where nothing names a database. */
export function databaseOf(
  { databaseUrl, databaseSecret, rdsIam }: DatabaseFlags,
  session: AwsSession,
  { environment }: ProcessIo,
): DatabaseAddress {
  if (databaseSecret !== undefined && rdsIam === true) {
    return wrongUsage('--database-secret has a password, and --rds-iam needs no password: give one of them.');
  }
  const credentials =
    databaseSecret === undefined
      ? rdsIam === true
        ? rdsToken(session)
        : undefined
      : secretOfDatabase(session, databaseSecret);
  const url = databaseUrl ?? given(environment, 'DATABASE_URL');
  if (url !== undefined && url !== '') return { url, credentials };
  const isNamed = PG_VARIABLES.some((name) => given(environment, name) !== undefined);
  // A secret may name its database.
  if (isNamed || databaseSecret !== undefined) return { credentials };
  return wrongUsage('Which database? Set DATABASE_URL (or PGHOST, PGUSER, …), or name it with --database-url.');
}

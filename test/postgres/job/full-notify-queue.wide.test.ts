import { Clinic, startPostgres } from '../support/clinic.ts';
import { majorVersion } from '../support/postgres.ts';

/** PostgreSQL says that the queue of NOTIFY is full only at the commit, and keeps what a failed transaction has put there. */
it('a batch with more notifications than the queue holds is halved, and only a row with more is listed', async () => {
  const usual = await startPostgres();
  const canLimit = (await majorVersion(usual)) >= 17;
  await usual.stop();
  if (!canLimit) return;
  const postgres = await startPostgres({ settings: ['max_notify_queue_pages=64'] });
  try {
    const clinic = await Clinic.withKeys(postgres, 2);
    const values = Array.from({ length: 120 }, (_, index) => clinic.row(`${index}`, 1));
    await clinic.table('patients', 'bytea', values);
    await clinic.sql(`CREATE FUNCTION tell() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
      PERFORM pg_notify('c', repeat('x', 7000) || new.id || ':' || i)
         FROM generate_series(1, CASE WHEN new.id = 7 THEN 200 ELSE 1 END) i; RETURN new; END $$;
      CREATE TRIGGER told AFTER UPDATE ON patients FOR EACH ROW EXECUTE FUNCTION tell()`);
    const spec = { table: 'patients', column: 'notes' };
    const report = await clinic.reencrypt(spec, { triggers: 'fire', connections: 1 });
    const left = [{ key: ['7'], code: 'DATABASE:54000' }];
    expect(report).toMatchObject({ isFinished: true, totals: { reencrypted: 119 }, left });
  } finally {
    await postgres.stop();
  }
});

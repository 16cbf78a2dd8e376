/** The privilege to become a role. Before PostgreSQL 16, every member had it. */
const BECOME = `CASE WHEN current_setting('server_version_num')::int < 160000 THEN 'MEMBER' ELSE 'SET' END`;

/** Whether a role has the rights of another, at once or by becoming it. Since PostgreSQL 16, a membership may give neither. */
export const actsFor = (role: string, other: string): string =>
  `(pg_has_role(${role}, ${other}, 'USAGE') OR pg_has_role(${role}, ${other}, ${BECOME}))`;

/**
 * Roles whose code may run with the rights of this user, as a table `trusted` of SQL: superusers, the role that logged in,
 * and the role that it has become since (SET ROLE) only where going back would gain nothing. Code that runs in this session
 * can go back (docs/adr/0045-code-of-the-role-that-a-login-becomes.md).
 */
export const TRUSTED = `
  trusted AS (
    SELECT r.oid FROM pg_roles r JOIN pg_roles s ON s.rolname = session_user
     WHERE r.rolsuper OR r.oid = s.oid
        OR (r.rolname = current_user
            AND NOT (s.rolsuper OR s.rolcreaterole OR s.rolcreatedb OR s.rolreplication OR s.rolbypassrls)
            AND NOT EXISTS (SELECT FROM pg_roles g
                             WHERE g.oid <> s.oid
                               AND (pg_has_role(s.oid, g.oid, ${BECOME}) AND NOT pg_has_role(r.oid, g.oid, ${BECOME})
                                    OR pg_has_role(s.oid, g.oid, 'USAGE')
                                       AND NOT ${actsFor('r.oid', 'g.oid')}))
            AND NOT EXISTS (SELECT FROM pg_auth_members WHERE member = s.oid AND admin_option)
            -- What it owns, what was granted to it alone, and policies for it, in any database. It may need a grant to connect.
            AND NOT EXISTS (SELECT FROM pg_shdepend
                             WHERE refclassid = 'pg_authid'::regclass AND refobjid = s.oid
                               AND (deptype IN ('o', 'r') OR deptype = 'a' AND classid <> 'pg_database'::regclass))
            AND NOT EXISTS (SELECT FROM pg_database d, aclexplode(d.datacl) acl
                             WHERE acl.grantee = s.oid AND acl.privilege_type = 'CREATE')))`;

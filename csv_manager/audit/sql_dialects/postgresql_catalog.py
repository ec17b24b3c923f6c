"""Questions to the catalogue of PostgreSQL."""

#: The columns of a table; of a domain, its own type is told.
COLUMNS = """
WITH RECURSIVE typed AS (
    SELECT a.attnum, a.attname, a.attgenerated, a.atttypid AS typid, a.atttypmod AS typmod
    FROM pg_catalog.pg_attribute a
    WHERE a.attrelid = pg_catalog.to_regclass(:name) AND a.attnum > 0 AND NOT a.attisdropped
    UNION ALL
    SELECT d.attnum, d.attname, d.attgenerated, t.typbasetype, t.typtypmod
    FROM typed d JOIN pg_catalog.pg_type t ON t.oid = d.typid WHERE t.typtype = 'd'
)
SELECT attname, pg_catalog.format_type(typid, typmod), (
    SELECT pg_catalog.array_position(i.indkey\\:\\:int[], typed.attnum\\:\\:int) FROM pg_catalog.pg_index i
    WHERE i.indrelid = pg_catalog.to_regclass(:name) AND i.indisprimary)
FROM typed JOIN pg_catalog.pg_type t ON t.oid = typid WHERE t.typtype <> 'd' AND attgenerated = '' ORDER BY attnum
"""
_IS_TABLE = """
c.relkind = 'r' AND c.relpersistence <> 't' AND n.nspname !~ '^(pg_|information_schema$)' AND c.relname !~ '^csv_audit_'
"""
#: Those that keep rows themselves.
TABLES = f"FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE {_IS_TABLE}"
#: What is another one after each change of a table, a key or one of the log's triggers.
FINGERPRINT = f"""
SELECT count(*), sum(pg_catalog.hashtextextended(concat_ws(',', c.oid, n.nspname, c.relname, a.attname, a.attnum,
    a.atttypid, a.atttypmod, a.attgenerated), 0)), (SELECT sum(pg_catalog.hashtextextended(concat_ws(',', t.tgrelid,
    t.tgname, t.tgenabled), 0)) FROM pg_catalog.pg_trigger t WHERE t.tgname ~ '^csv_audit_'),
    (SELECT sum(i.indrelid\\:\\:bigint * 31 + i.indexrelid\\:\\:bigint) FROM pg_catalog.pg_index i WHERE i.indisprimary)
FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_class c ON c.oid = a.attrelid
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE a.attnum > 0 AND NOT a.attisdropped AND {_IS_TABLE}
"""  # noqa: S608 - constants

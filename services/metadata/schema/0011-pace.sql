-- What is trimmed costs what is trimmed, however much stays.

-- As before; the time is a constant of the statement, so that the index on until_ms serves.
CREATE OR REPLACE FUNCTION purge_calls(p_limit integer) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
	now bigint := now_ms();
	many integer;
BEGIN
	DELETE FROM calls WHERE ctid = ANY (ARRAY(SELECT ctid FROM calls WHERE until_ms < now LIMIT p_limit));
	GET DIAGNOSTICS many = ROW_COUNT;
	RETURN many;
END $$;

-- As before; unique-ids go in small batches, too.
CREATE OR REPLACE FUNCTION purge_doomed(p_limit integer) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
	d doomed;
	many integer;
BEGIN
	SELECT * INTO d FROM doomed LIMIT 1 FOR UPDATE SKIP LOCKED;
	IF NOT FOUND THEN
		RETURN 0;
	END IF;
	WITH gone AS (
		DELETE FROM entries WHERE account = d.account AND mailbox = d.mailbox AND uid = ANY (ARRAY(
			SELECT uid FROM entries WHERE account = d.account AND mailbox = d.mailbox ORDER BY uid LIMIT p_limit))
		RETURNING *)
	INSERT INTO purge SELECT account, message, mailbox, uid, d.deleted_ms, date, flags, keywords FROM gone;
	GET DIAGNOSTICS many = ROW_COUNT;
	IF many = 0 THEN
		DELETE FROM changes WHERE account = d.account AND mailbox = d.mailbox AND modseq = ANY (ARRAY(
			SELECT modseq FROM changes WHERE account = d.account AND mailbox = d.mailbox ORDER BY modseq LIMIT p_limit));
		GET DIAGNOSTICS many = ROW_COUNT;
	END IF;
	IF many = 0 THEN
		DELETE FROM uidls WHERE account = d.account AND mailbox = d.mailbox AND uid = ANY (ARRAY(
			SELECT uid FROM uidls WHERE account = d.account AND mailbox = d.mailbox ORDER BY uid LIMIT p_limit));
		GET DIAGNOSTICS many = ROW_COUNT;
	END IF;
	IF many = 0 THEN
		DELETE FROM doomed WHERE account = d.account AND mailbox = d.mailbox;
	END IF;
	RETURN many + 1;
END $$;

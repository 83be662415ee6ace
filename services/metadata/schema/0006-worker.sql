-- What goes for good, in small batches. A message goes when its last entry and its last chance of an undelete have.

-- A locked message row that nothing needs any more goes; its blob is queued for deletion when no other message has it.
CREATE FUNCTION message_forget(p_account bigint, p_message bigint) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	gone bytea;
BEGIN
	PERFORM 1 FROM messages WHERE account = p_account AND message = p_message FOR UPDATE;
	IF EXISTS (SELECT FROM entries WHERE account = p_account AND message = p_message)
		OR EXISTS (SELECT FROM purge WHERE account = p_account AND message = p_message) THEN
		RETURN;
	END IF;
	DELETE FROM messages WHERE account = p_account AND message = p_message RETURNING blob INTO gone;
	IF NOT EXISTS (SELECT FROM messages WHERE substring(blob FROM 1 FOR 17) = substring(gone FROM 1 FOR 17) AND blob = gone) THEN
		INSERT INTO deletions VALUES (gone, now_ms()) ON CONFLICT DO NOTHING;
	END IF;
END $$;

-- Returns how many messages were looked at; fewer than the limit: no more are due.
CREATE FUNCTION purge_expunged(p_limit integer, p_before_ms bigint) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
	r record;
	many integer := 0;
BEGIN
	FOR r IN WITH taken AS (DELETE FROM purge WHERE ctid = ANY (ARRAY(SELECT ctid FROM purge WHERE expunged_ms <= p_before_ms
			ORDER BY expunged_ms LIMIT p_limit FOR UPDATE SKIP LOCKED)) RETURNING account, message)
		SELECT account, message, count(*) AS many FROM taken GROUP BY account, message ORDER BY account, message LOOP
		PERFORM message_forget(r.account, r.message);
		many := many + r.many;
	END LOOP;
	RETURN many;
END $$;

-- Entries of mailboxes that were deleted: they become expunged messages of that time; then their journal goes. Returns how many rows.
CREATE FUNCTION purge_doomed(p_limit integer) RETURNS integer LANGUAGE plpgsql AS $$
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
	IF many < p_limit THEN
		DELETE FROM doomed WHERE account = d.account AND mailbox = d.mailbox AND NOT EXISTS (
			SELECT FROM entries WHERE account = d.account AND mailbox = d.mailbox) AND NOT EXISTS (
			SELECT FROM changes WHERE account = d.account AND mailbox = d.mailbox);
	END IF;
	RETURN many + 1;
END $$;

-- Forget one account that was deleted before then; its mailboxes are doomed. Returns how many.
CREATE FUNCTION purge_account(p_before_ms bigint) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
	a accounts;
BEGIN
	SELECT * INTO a FROM accounts WHERE state = 'deleted' AND deleted_ms <= p_before_ms LIMIT 1 FOR UPDATE SKIP LOCKED;
	IF NOT FOUND THEN
		RETURN 0;
	END IF;
	PERFORM 1 FROM namespace WHERE account = a.account FOR UPDATE;
	PERFORM 1 FROM mailbox_state WHERE account = a.account ORDER BY mailbox FOR UPDATE;
	INSERT INTO doomed SELECT account, mailbox, 0 FROM mailbox_state WHERE account = a.account ON CONFLICT DO NOTHING;
	DELETE FROM mailbox_state WHERE account = a.account;
	DELETE FROM mailboxes WHERE account = a.account;
	DELETE FROM namespace WHERE account = a.account;
	DELETE FROM subscriptions WHERE account = a.account;
	DELETE FROM scripts WHERE account = a.account;
	DELETE FROM marks WHERE account = a.account;
	DELETE FROM calls WHERE account = a.account;
	DELETE FROM credentials WHERE account = a.account;
	DELETE FROM addresses WHERE account = a.account;
	DELETE FROM accounts WHERE account = a.account;
	DELETE FROM usage WHERE account = a.account;
	RETURN 1;
END $$;

-- Trim the journal of one mailbox: floor and rows together, under its lock. Returns how many rows.
CREATE FUNCTION purge_journal(p_limit integer, p_before_ms bigint) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
	r record;
	many integer;
BEGIN
	SELECT account, mailbox INTO r FROM changes WHERE at_ms < p_before_ms LIMIT 1;
	IF NOT FOUND THEN
		RETURN 0;
	END IF;
	PERFORM 1 FROM mailbox_state WHERE account = r.account AND mailbox = r.mailbox FOR NO KEY UPDATE;
	WITH gone AS (
		DELETE FROM changes WHERE account = r.account AND mailbox = r.mailbox AND modseq = ANY (ARRAY(
			SELECT modseq FROM changes WHERE account = r.account AND mailbox = r.mailbox AND at_ms < p_before_ms
			ORDER BY modseq LIMIT p_limit))
		RETURNING modseq), top AS (SELECT max(modseq) AS modseq FROM gone)
	UPDATE mailbox_state s SET floor = greatest(s.floor, top.modseq) FROM top WHERE s.account = r.account AND s.mailbox = r.mailbox;
	RETURN 1;
END $$;

CREATE FUNCTION purge_calls(p_limit integer) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
	many integer;
BEGIN
	DELETE FROM calls WHERE ctid = ANY (ARRAY(SELECT ctid FROM calls WHERE until_ms < now_ms() LIMIT p_limit));
	GET DIAGNOSTICS many = ROW_COUNT;
	RETURN many;
END $$;

-- References whose objects may go: queued before then, and a second look finds no message. What is wanted again leaves the queue.
CREATE FUNCTION deletions_due(p_limit integer, p_before_ms bigint) RETURNS SETOF bytea LANGUAGE plpgsql AS $$
BEGIN
	DELETE FROM deletions d WHERE d.blob = ANY (ARRAY(SELECT blob FROM deletions WHERE queued_ms <= p_before_ms ORDER BY queued_ms LIMIT p_limit))
		AND EXISTS (SELECT FROM messages m WHERE substring(m.blob FROM 1 FOR 17) = substring(d.blob FROM 1 FOR 17));
	RETURN QUERY SELECT blob FROM deletions WHERE queued_ms <= p_before_ms ORDER BY queued_ms LIMIT p_limit;
END $$;

-- Of these objects, those that are wanted. NULL: a transaction runs that is older than the fence, so no one can say.
CREATE FUNCTION objects_referenced(p_object bytea[], p_fence_ms bigint) RETURNS bytea[] LANGUAGE plpgsql AS $$
BEGIN
	IF EXISTS (SELECT FROM pg_stat_activity WHERE backend_type = 'client backend' AND datname = current_database()
		AND pid <> pg_backend_pid() AND xact_start < to_timestamp(p_fence_ms / 1000.0)) THEN
		RETURN NULL;
	END IF;
	RETURN coalesce((SELECT array_agg(o) FROM unnest(p_object) o
		WHERE EXISTS (SELECT FROM messages m WHERE substring(m.blob FROM 1 FOR 17) = o)
			OR EXISTS (SELECT FROM deletions d WHERE substring(d.blob FROM 1 FOR 17) = o)), '{}');
END $$;

-- What a failover and a COMMIT of unknown outcome ask for.

-- As before; and who is told that a call was done writes something, so that his COMMIT, too, waits for the synchronous standby: the first's
-- may have been cut short, and what it did be here and not there.
CREATE OR REPLACE FUNCTION call_claim(p_account bigint, p_key bytea, p_keep_ms bigint, p_answer bigint[]) RETURNS calls
LANGUAGE plpgsql AS $$
DECLARE
	c calls;
BEGIN
	INSERT INTO calls VALUES (p_account, p_key, now_ms() + p_keep_ms, 'OK', p_answer) ON CONFLICT DO NOTHING;
	IF FOUND THEN
		RETURN NULL;
	END IF;
	SELECT * INTO c FROM calls WHERE account = p_account AND key = p_key;
	PERFORM pg_logical_emit_message(true, 'sora', 'twin');
	RETURN c;
END $$;

-- As before; UIDVALIDITY, too, skips what mailboxes may have been given that the new timeline does not know.
CREATE OR REPLACE FUNCTION namespace_lock(p_account bigint, p_timeline bigint) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
	n namespace;
BEGIN
	SELECT * INTO n FROM namespace WHERE account = p_account FOR NO KEY UPDATE;
	IF NOT FOUND THEN
		RETURN false;
	END IF;
	IF n.timeline <> p_timeline THEN
		UPDATE namespace SET timeline = p_timeline, version = version + 1048576, next_mailbox = next_mailbox + 1000,
			last_uidvalidity = greatest(last_uidvalidity, extract(epoch FROM clock_timestamp())::bigint) + 1000
		WHERE account = p_account;
	END IF;
	RETURN true;
END $$;

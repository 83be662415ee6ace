-- Sieve scripts. An account has the user's own and the administrator's that run before and after them (kinds 0, 1 and 2); of each kind
-- one may be active. Account 0 has the library of all. Whoever changes them locks the account's row in `namespace` first, which
-- account 0 has for this alone.

ALTER TABLE scripts ADD COLUMN kind smallint NOT NULL DEFAULT 0;
ALTER TABLE scripts ADD COLUMN hash bytea NOT NULL GENERATED ALWAYS AS (sha256(source)) STORED;
ALTER TABLE scripts DROP CONSTRAINT scripts_pkey;
ALTER TABLE scripts ADD PRIMARY KEY (account, kind, name);
DROP INDEX scripts_active;
CREATE UNIQUE INDEX scripts_active ON scripts (account, kind) WHERE is_active;

INSERT INTO namespace VALUES (0, 1, 0, 1, 0);

-- What went wrong when they ran, counted; the newest hundred of an account.
CREATE TABLE sieve_log (
	account bigint NOT NULL,
	is_global boolean NOT NULL,
	kind smallint NOT NULL,
	name bytea NOT NULL,
	line integer NOT NULL,
	text bytea NOT NULL,
	first_ms bigint NOT NULL,
	last_ms bigint NOT NULL,
	times bigint NOT NULL,
	PRIMARY KEY (account, is_global, kind, name, line, text)
);

-- The beginning of every call here: NULL, it is to be done; else its answer.
CREATE FUNCTION script_begin(p_account bigint, p_key bytea, p_keep_ms bigint) RETURNS effect LANGUAGE plpgsql AS $$
DECLARE
	c calls;
BEGIN
	PERFORM 1 FROM namespace WHERE account = p_account FOR NO KEY UPDATE;
	IF NOT FOUND THEN
		RETURN refused('NO_ACCOUNT');
	END IF;
	c := call_claim(p_account, p_key, p_keep_ms, '{}');
	RETURN CASE WHEN c.key IS NULL THEN NULL ELSE twin(c) END;
END $$;

-- And its end: what happened is kept for its twin. No mailbox has changed.
CREATE FUNCTION script_end(p_account bigint, p_key bytea, p_status text) RETURNS effect LANGUAGE plpgsql AS $$
BEGIN
	PERFORM call_answer(p_account, p_key, p_status, '{}');
	RETURN refused(p_status);
END $$;

CREATE FUNCTION script_exists(p_account bigint, p_kind integer, p_name bytea) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
	RETURN EXISTS (SELECT FROM scripts WHERE account = p_account AND kind = p_kind AND name = p_name);
END $$;

-- Make it the active one of its kind; empty: none.
CREATE FUNCTION script_choose(p_account bigint, p_kind integer, p_name bytea) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	UPDATE scripts SET is_active = false WHERE account = p_account AND kind = p_kind AND is_active AND name <> p_name;
	UPDATE scripts SET is_active = true WHERE account = p_account AND kind = p_kind AND NOT is_active AND name = p_name;
END $$;

-- Could a script of that name and size be put now?
CREATE FUNCTION script_room(p_account bigint, p_kind integer, p_name bytea, p_size bigint, p_most bigint, p_total bigint)
RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	others bigint;
	bytes bigint;
BEGIN
	SELECT count(*), coalesce(sum(octet_length(source)), 0) INTO others, bytes FROM scripts
	WHERE account = p_account AND kind = p_kind AND name <> p_name;
	RETURN CASE WHEN others >= p_most THEN 'LIMIT' WHEN bytes + p_size > p_total THEN 'OVERQUOTA' ELSE 'OK' END;
END $$;

CREATE FUNCTION script_put(p_account bigint, p_key bytea, p_keep_ms bigint, p_kind integer, p_name bytea, p_source bytea,
	p_activate boolean, p_most bigint, p_total bigint)
RETURNS SETOF effect LANGUAGE plpgsql AS $$
DECLARE
	e effect := script_begin(p_account, p_key, p_keep_ms);
	status text;
BEGIN
	IF e.status IS NOT NULL THEN
		RETURN NEXT e;
		RETURN;
	END IF;
	status := script_room(p_account, p_kind, p_name, octet_length(p_source), p_most, p_total);
	IF status = 'OK' THEN
		INSERT INTO scripts (account, kind, name, is_active, source, changed_ms)
		VALUES (p_account, p_kind, p_name, false, p_source, now_ms())
		ON CONFLICT (account, kind, name) DO UPDATE SET source = excluded.source, changed_ms = excluded.changed_ms;
		IF p_activate THEN
			PERFORM script_choose(p_account, p_kind, p_name);
		END IF;
	END IF;
	RETURN NEXT script_end(p_account, p_key, status);
END $$;

CREATE FUNCTION script_delete(p_account bigint, p_key bytea, p_keep_ms bigint, p_kind integer, p_name bytea)
RETURNS SETOF effect LANGUAGE plpgsql AS $$
DECLARE
	e effect := script_begin(p_account, p_key, p_keep_ms);
	status text := 'OK';
BEGIN
	IF e.status IS NOT NULL THEN
		RETURN NEXT e;
		RETURN;
	END IF;
	DELETE FROM scripts WHERE account = p_account AND kind = p_kind AND name = p_name AND NOT is_active;
	IF NOT FOUND THEN
		status := CASE WHEN script_exists(p_account, p_kind, p_name) THEN 'ACTIVE' ELSE 'NONEXISTENT' END;
	END IF;
	RETURN NEXT script_end(p_account, p_key, status);
END $$;

CREATE FUNCTION script_rename(p_account bigint, p_key bytea, p_keep_ms bigint, p_kind integer, p_from bytea, p_to bytea)
RETURNS SETOF effect LANGUAGE plpgsql AS $$
DECLARE
	e effect := script_begin(p_account, p_key, p_keep_ms);
	status text := 'OK';
BEGIN
	IF e.status IS NOT NULL THEN
		RETURN NEXT e;
		RETURN;
	END IF;
	IF NOT script_exists(p_account, p_kind, p_from) THEN
		status := 'NONEXISTENT';
	ELSIF script_exists(p_account, p_kind, p_to) THEN
		status := 'EXISTS';
	ELSE
		UPDATE scripts SET name = p_to WHERE account = p_account AND kind = p_kind AND name = p_from;
	END IF;
	RETURN NEXT script_end(p_account, p_key, status);
END $$;

CREATE FUNCTION script_activate(p_account bigint, p_key bytea, p_keep_ms bigint, p_kind integer, p_name bytea)
RETURNS SETOF effect LANGUAGE plpgsql AS $$
DECLARE
	e effect := script_begin(p_account, p_key, p_keep_ms);
	status text := 'OK';
BEGIN
	IF e.status IS NOT NULL THEN
		RETURN NEXT e;
		RETURN;
	END IF;
	IF p_name <> '' AND NOT script_exists(p_account, p_kind, p_name) THEN
		status := 'NONEXISTENT';
	ELSE
		PERFORM script_choose(p_account, p_kind, p_name);
	END IF;
	RETURN NEXT script_end(p_account, p_key, status);
END $$;

CREATE FUNCTION sieve_log_empty(p_account bigint, p_key bytea, p_keep_ms bigint) RETURNS SETOF effect LANGUAGE plpgsql AS $$
DECLARE
	e effect := script_begin(p_account, p_key, p_keep_ms);
BEGIN
	IF e.status IS NOT NULL THEN
		RETURN NEXT e;
		RETURN;
	END IF;
	DELETE FROM sieve_log WHERE account = p_account;
	RETURN NEXT script_end(p_account, p_key, CASE WHEN FOUND THEN 'OK' ELSE 'NONEXISTENT' END);
END $$;

-- Done twice it is counted twice, which does no harm.
CREATE FUNCTION sieve_note(p_account bigint, p_global boolean, p_kind integer, p_name bytea, p_line integer, p_text bytea)
RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	at bigint;
BEGIN
	PERFORM 1 FROM namespace WHERE account = p_account FOR NO KEY UPDATE;
	IF NOT FOUND THEN
		RETURN 'NO_ACCOUNT';
	END IF;
	-- No two have the same time.
	SELECT greatest(now_ms(), max(last_ms) + 1) INTO at FROM sieve_log WHERE account = p_account;
	INSERT INTO sieve_log VALUES (p_account, p_global, p_kind, p_name, p_line, p_text, at, at, 1)
	ON CONFLICT (account, is_global, kind, name, line, text) DO UPDATE SET last_ms = excluded.last_ms, times = sieve_log.times + 1;
	DELETE FROM sieve_log WHERE account = p_account AND ctid = ANY (ARRAY(
		SELECT ctid FROM sieve_log WHERE account = p_account ORDER BY last_ms DESC OFFSET 100));
	RETURN 'OK';
END $$;

-- As before; the log goes, too.
CREATE OR REPLACE FUNCTION purge_account(p_before_ms bigint) RETURNS integer LANGUAGE plpgsql AS $$
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
	DELETE FROM sieve_log WHERE account = a.account;
	DELETE FROM marks WHERE account = a.account;
	DELETE FROM calls WHERE account = a.account;
	DELETE FROM credentials WHERE account = a.account;
	DELETE FROM addresses WHERE account = a.account;
	DELETE FROM accounts WHERE account = a.account;
	DELETE FROM usage WHERE account = a.account;
	RETURN 1;
END $$;

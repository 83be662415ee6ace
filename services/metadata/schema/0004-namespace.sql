-- The tree of mailboxes. Its row in `namespace` is locked first, so that no two renames tie a knot; names are UTF-8, separator '/'.
-- What lies below a name N is N/ <= name < N0, as '0' follows '/'.

CREATE FUNCTION namespace_lock(p_account bigint, p_timeline bigint) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
	n namespace;
BEGIN
	SELECT * INTO n FROM namespace WHERE account = p_account FOR NO KEY UPDATE;
	IF NOT FOUND THEN
		RETURN false;
	END IF;
	IF n.timeline <> p_timeline THEN
		UPDATE namespace SET timeline = p_timeline, version = version + 1048576, next_mailbox = next_mailbox + 1000
		WHERE account = p_account;
	END IF;
	RETURN true;
END $$;

CREATE FUNCTION namespace_changed(p_account bigint) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	UPDATE namespace SET version = version + 1 WHERE account = p_account;
END $$;

-- A new mailbox, in the place of one that could not be selected, if any. UIDVALIDITY grows strictly and is never 0.
CREATE FUNCTION mailbox_make(p_account bigint, p_timeline bigint, p_name bytea, p_attributes integer) RETURNS integer
LANGUAGE plpgsql AS $$
DECLARE
	n namespace;
BEGIN
	UPDATE namespace SET next_mailbox = next_mailbox + 1,
		last_uidvalidity = greatest(last_uidvalidity + 1, extract(epoch FROM clock_timestamp())::bigint)
	WHERE account = p_account RETURNING * INTO n;
	DELETE FROM mailboxes WHERE account = p_account AND name = p_name AND attributes & 1 <> 0;
	INSERT INTO mailboxes VALUES (p_account, n.next_mailbox - 1, p_name, p_attributes, n.last_uidvalidity);
	INSERT INTO mailbox_state VALUES (p_account, n.next_mailbox - 1, 1, 1, 1, p_timeline, 0, 0, 0, 0, 0);
	RETURN n.next_mailbox - 1;
END $$;

-- The parents of a name that are missing (RFC 3501 s. 6.3.3).
CREATE FUNCTION parents_make(p_account bigint, p_timeline bigint, p_name bytea) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	parent bytea;
BEGIN
	FOR i IN 1 .. octet_length(p_name) LOOP
		IF get_byte(p_name, i - 1) = 47 THEN
			parent := substring(p_name FROM 1 FOR i - 1);
			IF NOT EXISTS (SELECT FROM mailboxes WHERE account = p_account AND name = parent) THEN
				PERFORM mailbox_make(p_account, p_timeline, parent, 0);
			END IF;
		END IF;
	END LOOP;
END $$;

CREATE FUNCTION has_children(p_account bigint, p_name bytea) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
	RETURN EXISTS (SELECT FROM mailboxes WHERE account = p_account AND name >= p_name || '/'::bytea AND name < p_name || '0'::bytea);
END $$;

-- Answer: the mailbox.
CREATE FUNCTION namespace_create(p_account bigint, p_key bytea, p_keep_ms bigint, p_timeline bigint, p_name bytea, p_attributes integer)
RETURNS SETOF effect LANGUAGE plpgsql AS $$
DECLARE
	c calls;
	status text;
	made integer;
BEGIN
	IF NOT namespace_lock(p_account, p_timeline) THEN
		RETURN NEXT refused('NO_ACCOUNT');
		RETURN;
	END IF;
	c := call_claim(p_account, p_key, p_keep_ms, '{}');
	IF c.key IS NOT NULL THEN
		RETURN NEXT twin(c);
		RETURN;
	END IF;
	IF mailbox_named(p_account, p_name) IS NOT NULL THEN
		status := 'EXISTS';
	ELSIF (SELECT count(*) FROM mailboxes WHERE account = p_account) >= 10000 THEN
		status := 'LIMIT';
	END IF;
	IF status IS NOT NULL THEN
		PERFORM call_answer(p_account, p_key, status, '{}');
		RETURN NEXT refused(status);
		RETURN;
	END IF;
	PERFORM parents_make(p_account, p_timeline, p_name);
	made := mailbox_make(p_account, p_timeline, p_name, p_attributes);
	PERFORM namespace_changed(p_account);
	PERFORM call_answer(p_account, p_key, 'OK', ARRAY[made]);
	RETURN NEXT tree_changed(ARRAY[made]);
END $$;

-- Its entries are doomed: they are out of sight and out of the usage now, and go later in small batches. With children the name stays,
-- under a number of its own, as one that can not be selected.
CREATE FUNCTION mailbox_drop(m mailboxes, p_keeps_name boolean) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	s mailbox_state;
BEGIN
	SELECT * INTO s FROM mailbox_state WHERE account = m.account AND mailbox = m.mailbox FOR UPDATE;
	DELETE FROM mailbox_state WHERE account = m.account AND mailbox = m.mailbox;
	DELETE FROM mailboxes WHERE account = m.account AND mailbox = m.mailbox;
	IF p_keeps_name THEN
		UPDATE namespace SET next_mailbox = next_mailbox + 1 WHERE account = m.account;
		INSERT INTO mailboxes SELECT m.account, next_mailbox - 1, m.name, 1, 0 FROM namespace WHERE account = m.account;
	END IF;
	IF s.mailbox IS NOT NULL THEN
		INSERT INTO doomed VALUES (m.account, m.mailbox, now_ms());
		PERFORM usage_give(m.account, s.bytes, s.messages);
	END IF;
END $$;

CREATE FUNCTION namespace_delete(p_account bigint, p_key bytea, p_keep_ms bigint, p_timeline bigint, p_name bytea)
RETURNS SETOF effect LANGUAGE plpgsql AS $$
DECLARE
	c calls;
	m mailboxes;
	status text;
BEGIN
	IF NOT namespace_lock(p_account, p_timeline) THEN
		RETURN NEXT refused('NO_ACCOUNT');
		RETURN;
	END IF;
	c := call_claim(p_account, p_key, p_keep_ms, '{}');
	IF c.key IS NOT NULL THEN
		RETURN NEXT twin(c);
		RETURN;
	END IF;
	SELECT * INTO m FROM mailboxes WHERE account = p_account AND name = p_name;
	IF p_name = 'INBOX' THEN
		status := 'CANNOT';
	ELSIF m.mailbox IS NULL THEN
		status := 'NO_MAILBOX';
	ELSIF m.attributes & 1 <> 0 AND has_children(p_account, p_name) THEN
		status := 'HAS_CHILDREN';
	END IF;
	IF status IS NOT NULL THEN
		PERFORM call_answer(p_account, p_key, status, '{}');
		RETURN NEXT refused(status);
		RETURN;
	END IF;
	PERFORM namespace_changed(p_account);
	PERFORM mailbox_drop(m, has_children(p_account, p_name));
	RETURN NEXT mailbox_gone('{}', m.mailbox);
	RETURN NEXT tree_changed('{}');
END $$;

-- Why a name can not become another; NULL: it can.
CREATE FUNCTION rename_refusal(p_account bigint, p_from bytea, p_to bytea) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	IF NOT EXISTS (SELECT FROM mailboxes WHERE account = p_account AND name = p_from) THEN
		RETURN 'NO_MAILBOX';
	ELSIF EXISTS (SELECT FROM mailboxes WHERE account = p_account AND name = p_to) THEN
		RETURN 'EXISTS';
	ELSIF substring(p_to FROM 1 FOR octet_length(p_from) + 1) = p_from || '/'::bytea AND p_from <> 'INBOX' THEN
		RETURN 'CANNOT';
	ELSIF p_from <> 'INBOX' AND (SELECT max(octet_length(name)) FROM mailboxes WHERE account = p_account
		AND name >= p_from || '/'::bytea AND name < p_from || '0'::bytea) - octet_length(p_from) + octet_length(p_to) > 1000 THEN
		RETURN 'TOO_BIG';
	END IF;
	RETURN NULL;
END $$;

-- INBOX stays, its messages go to the new mailbox (RFC 3501 s. 6.3.5); of others, what lies below goes along.
CREATE FUNCTION namespace_rename(p_account bigint, p_key bytea, p_keep_ms bigint, p_timeline bigint, p_from bytea, p_to bytea)
RETURNS SETOF effect LANGUAGE plpgsql AS $$
DECLARE
	c calls;
	e effect;
	status text;
	inbox integer;
	made integer;
	uids bigint[];
BEGIN
	IF NOT namespace_lock(p_account, p_timeline) THEN
		RETURN NEXT refused('NO_ACCOUNT');
		RETURN;
	END IF;
	c := call_claim(p_account, p_key, p_keep_ms, '{}');
	IF c.key IS NOT NULL THEN
		RETURN NEXT twin(c);
		RETURN;
	END IF;
	status := rename_refusal(p_account, p_from, p_to);
	IF status IS NOT NULL THEN
		PERFORM call_answer(p_account, p_key, status, '{}');
		RETURN NEXT refused(status);
		RETURN;
	END IF;
	PERFORM namespace_changed(p_account);
	PERFORM parents_make(p_account, p_timeline, p_to);
	IF p_from <> 'INBOX' THEN
		UPDATE mailboxes SET name = p_to || substring(name FROM octet_length(p_from) + 1)
		WHERE account = p_account AND (name = p_from OR name >= p_from || '/'::bytea AND name < p_from || '0'::bytea);
		RETURN NEXT tree_changed('{}');
		RETURN;
	END IF;
	inbox := mailbox_named(p_account, 'INBOX');
	made := mailbox_make(p_account, p_timeline, p_to, 0);
	PERFORM mailbox_pair_lock(p_account, inbox, made);
	SELECT array_agg(uid ORDER BY uid) INTO uids FROM entries WHERE account = p_account AND mailbox = inbox;
	IF uids IS NOT NULL THEN
		e := entries_copy(mailbox_lock(p_account, made), p_timeline, inbox, uids);
		e.answer := '{}';
		RETURN NEXT e;
		RETURN NEXT entries_leave(mailbox_lock(p_account, inbox), p_timeline, uids);
	END IF;
	RETURN NEXT tree_changed('{}');
END $$;

CREATE FUNCTION namespace_subscribe(p_account bigint, p_timeline bigint, p_name bytea, p_subscribed boolean)
RETURNS SETOF effect LANGUAGE plpgsql AS $$
BEGIN
	IF NOT namespace_lock(p_account, p_timeline) THEN
		RETURN NEXT refused('NO_ACCOUNT');
		RETURN;
	END IF;
	IF NOT p_subscribed THEN
		DELETE FROM subscriptions WHERE account = p_account AND name = p_name;
	ELSIF (SELECT count(*) FROM subscriptions WHERE account = p_account) >= 20000 THEN
		RETURN NEXT refused('LIMIT');
		RETURN;
	ELSE
		INSERT INTO subscriptions VALUES (p_account, p_name) ON CONFLICT DO NOTHING;
	END IF;
	IF FOUND THEN
		PERFORM namespace_changed(p_account);
		RETURN NEXT tree_changed('{}');
	ELSE
		RETURN NEXT refused('OK');
	END IF;
END $$;

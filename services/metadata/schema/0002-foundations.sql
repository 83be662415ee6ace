-- What the functions of every change share. A volatile function takes a new snapshot for each of its statements: the first
-- only locks, later ones read what was committed while it waited. What reads a table is PL/pgSQL, which keeps its plans: a function in
-- SQL that is not inlined makes them anew at each call (0.1 ms).

CREATE FUNCTION now_ms() RETURNS bigint LANGUAGE sql VOLATILE AS $$
	SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint
$$;

-- PostgreSQL's own timeline, hashed: its system, the timeline that it writes now, and our count of restores.
CREATE FUNCTION current_timeline() RETURNS bigint LANGUAGE sql VOLATILE AS $$
	SELECT hashtextextended(system_identifier::text || '/' || substring(pg_walfile_name(pg_current_wal_insert_lsn()) FROM 1 FOR 8)
		|| '/' || (SELECT epoch FROM history), 0) & 9223372036854775807 | 1
	FROM pg_control_system()
$$;

-- Lock a mailbox and take its row; all NULL: there is none.
CREATE FUNCTION mailbox_lock(p_account bigint, p_mailbox integer) RETURNS mailbox_state LANGUAGE plpgsql AS $$
DECLARE
	s mailbox_state;
BEGIN
	SELECT * INTO s FROM mailbox_state WHERE account = p_account AND mailbox = p_mailbox FOR NO KEY UPDATE;
	RETURN s;
END $$;

-- Several mailboxes, by number and by name, in ascending order: what a batch of calls begins with.
CREATE FUNCTION mailboxes_lock(p_account bigint, p_mailboxes integer[], p_names bytea[]) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
	PERFORM 1 FROM mailbox_state
	WHERE account = p_account AND mailbox IN (
		SELECT unnest(p_mailboxes)
		UNION SELECT m.mailbox FROM mailboxes m WHERE m.account = p_account AND m.name = ANY (p_names))
	ORDER BY mailbox FOR NO KEY UPDATE;
END $$;

-- The mailbox of a name that can be selected; NULL: none.
CREATE FUNCTION mailbox_named(p_account bigint, p_name bytea) RETURNS integer LANGUAGE plpgsql AS $$
BEGIN
	RETURN (SELECT mailbox FROM mailboxes WHERE account = p_account AND name = p_name AND attributes & 1 = 0);
END $$;

-- Claim a key: NULL when it is new (this call is to be done), else the row of the first that carried it. Waits for a twin that runs.
CREATE FUNCTION call_claim(p_account bigint, p_key bytea, p_keep_ms bigint, p_answer bigint[]) RETURNS calls
LANGUAGE plpgsql AS $$
DECLARE
	c calls;
BEGIN
	INSERT INTO calls VALUES (p_account, p_key, now_ms() + p_keep_ms, 'OK', p_answer) ON CONFLICT DO NOTHING;
	IF FOUND THEN
		RETURN NULL;
	END IF;
	SELECT * INTO c FROM calls WHERE account = p_account AND key = p_key;
	RETURN c;
END $$;

CREATE FUNCTION call_answer(p_account bigint, p_key bytea, p_status text, p_answer bigint[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	UPDATE calls SET status = p_status, answer = p_answer WHERE account = p_account AND key = p_key;
END $$;

-- A refusal, as a value.
CREATE FUNCTION refused(p_status text) RETURNS effect LANGUAGE sql IMMUTABLE AS $$
	SELECT (p_status, false, '{}', NULL, false, NULL, NULL, NULL, NULL, NULL, false, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL)::effect
$$;

-- What a twin is told.
CREATE FUNCTION twin(p_call calls) RETURNS effect LANGUAGE sql IMMUTABLE AS $$
	SELECT (p_call.status, true, p_call.answer, NULL, false, NULL, NULL, NULL, NULL, NULL, false, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
		NULL, NULL)::effect
$$;

-- The tree has changed.
CREATE FUNCTION tree_changed(p_answer bigint[]) RETURNS effect LANGUAGE sql IMMUTABLE AS $$
	SELECT ('OK', false, p_answer, 0, false, NULL, NULL, NULL, NULL, NULL, false, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL)::effect
$$;

-- A mailbox is no more.
CREATE FUNCTION mailbox_gone(p_answer bigint[], p_mailbox integer) RETURNS effect LANGUAGE sql IMMUTABLE AS $$
	SELECT ('OK', false, p_answer, p_mailbox, true, NULL, NULL, NULL, NULL, NULL, false, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL)::effect
$$;

-- Begin the change of a locked mailbox, whose row `s` is: e.modseq is the change's, e.uidnext the next UID to give. The first change
-- on a new timeline skips what the old one may have told a client.
CREATE FUNCTION change_begin(s mailbox_state, p_timeline bigint) RETURNS effect LANGUAGE plpgsql AS $$
DECLARE
	e effect;
BEGIN
	e.status := 'OK';
	e.is_twin := false;
	e.answer := '{}';
	e.mailbox := s.mailbox;
	e.is_gone := false;
	e.old_timeline := s.timeline;
	e.old_modseq := s.modseq;
	e.timeline := p_timeline;
	e.modseq := s.modseq + 1;
	e.uidnext := s.uidnext;
	IF s.timeline <> p_timeline THEN
		e.modseq := e.modseq + 1048576;
		e.uidnext := e.uidnext + 10000;
	END IF;
	e.is_new := false;
	e.recent_uid := s.recent_uid;
	RETURN e;
END $$;

-- End it: the state row, with the counts of `s`, and the journal.
CREATE FUNCTION change_end(s mailbox_state, e effect) RETURNS effect LANGUAGE plpgsql AS $$
BEGIN
	UPDATE mailbox_state SET uidnext = e.uidnext, modseq = e.modseq, timeline = e.timeline,
		floor = CASE WHEN e.timeline = e.old_timeline THEN floor ELSE e.modseq - 1 END,
		messages = s.messages, unseen = s.unseen, deleted = s.deleted, bytes = s.bytes
	WHERE account = s.account AND mailbox = s.mailbox;
	INSERT INTO changes VALUES (s.account, s.mailbox, e.modseq, now_ms(), e.uidnext, e.is_new, e.uids, e.flags, e.sizes, e.dates,
		e.keywords, e.vanished, e.keyword, e.keyword_first);
	RETURN e;
END $$;

-- The numbers of keywords in a locked mailbox, in the order given; -1 where it has none and none may be added. Case does not count.
-- A mailbox has at most 1000: past that `numbers` is NULL.
CREATE FUNCTION keyword_numbers(p_account bigint, p_mailbox integer, p_names bytea[], p_add boolean,
	OUT numbers integer[], OUT added bytea[], OUT added_first integer) LANGUAGE plpgsql AS $$
DECLARE
	have bytea[];
	name bytea;
	place integer;
BEGIN
	numbers := '{}';
	IF coalesce(cardinality(p_names), 0) = 0 THEN
		RETURN;
	END IF;
	SELECT m.keywords INTO have FROM mailboxes m WHERE m.account = p_account AND m.mailbox = p_mailbox;
	added_first := cardinality(have);
	FOREACH name IN ARRAY p_names LOOP
		SELECT k.i - 1 INTO place FROM unnest(have) WITH ORDINALITY k(v, i)
		WHERE lower(encode(k.v, 'escape') COLLATE "C") = lower(encode(name, 'escape') COLLATE "C");
		IF place IS NULL AND p_add THEN
			place := cardinality(have);
			have := have || name;
			added := added || name;
		END IF;
		numbers := numbers || coalesce(place, -1);
	END LOOP;
	IF added IS NULL THEN
		added_first := NULL;
	ELSIF cardinality(have) > 1000 THEN
		numbers := NULL;
	ELSE
		UPDATE mailboxes SET keywords = have WHERE account = p_account AND mailbox = p_mailbox;
	END IF;
END $$;

-- Sorted, each once; NULL for none.
CREATE FUNCTION keyword_set(p_numbers integer[]) RETURNS smallint[] LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
	RETURN (SELECT array_agg(DISTINCT n::smallint ORDER BY n::smallint) FROM unnest(p_numbers) n WHERE n >= 0);
END $$;

-- The columns of a change or a page: the entries of these UIDs as they are now.
CREATE FUNCTION entries_pack(p_account bigint, p_mailbox integer, p_uids bigint[], INOUT e effect) LANGUAGE plpgsql AS $$
BEGIN
	SELECT array_agg(r.uid), array_agg(r.flags), array_agg(r.size), array_agg(r.date) INTO e.uids, e.flags, e.sizes, e.dates
	FROM (SELECT uid, flags, size, date FROM entries WHERE account = p_account AND mailbox = p_mailbox AND uid = ANY (p_uids)
		ORDER BY uid) r;
	SELECT array_agg(k.v ORDER BY r.place, k.i) INTO e.keywords
	FROM (SELECT n.keywords, row_number() OVER (ORDER BY uid) - 1 AS place FROM entries n
		WHERE n.account = p_account AND n.mailbox = p_mailbox AND n.uid = ANY (p_uids)) r,
		LATERAL unnest(ARRAY[r.place::integer, cardinality(r.keywords)] || r.keywords::integer[]) WITH ORDINALITY k(v, i)
	WHERE r.keywords IS NOT NULL;
END $$;

-- Take `p_bytes` and `p_messages` of an account's quota; false: over it (or there is no such account).
CREATE FUNCTION usage_take(p_account bigint, p_bytes bigint, p_messages bigint) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
	UPDATE usage SET bytes = bytes + p_bytes, messages = messages + p_messages
	WHERE account = p_account AND (limit_bytes = 0 OR bytes + p_bytes <= limit_bytes);
	RETURN FOUND;
END $$;

CREATE FUNCTION usage_give(p_account bigint, p_bytes bigint, p_messages bigint) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	UPDATE usage SET bytes = bytes - p_bytes, messages = messages - p_messages WHERE account = p_account;
END $$;

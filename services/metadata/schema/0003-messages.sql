-- The changes of mailboxes: one function for each kind of call, one transaction's work in one round trip. Each returns a row for
-- each mailbox that it changed, and one row in any case. A refusal is a value. UIDs come as ranges: first[i] to last[i].

-- Append mails to a mailbox, all or none (RFC 3501 s. 6.3.11, RFC 3502). Keywords are one list, keyword_mail says of which mail
-- (from 1) each is. Answer: mailbox, uidvalidity, first uid, how many.
CREATE FUNCTION mailbox_append(p_account bigint, p_key bytea, p_keep_ms bigint, p_timeline bigint, p_name bytea,
	p_blob bytea[], p_put_ms bigint[], p_blob_size bigint[], p_parser integer[], p_complete boolean[], p_prefix bytea[],
	p_envelope bytea[], p_structure bytea[], p_body bytea[], p_parts bytea[], p_fields bytea[],
	p_flags integer[], p_date bigint[], p_keyword bytea[], p_keyword_mail integer[])
RETURNS SETOF effect LANGUAGE plpgsql AS $$
DECLARE
	s mailbox_state;
	e effect;
	c calls;
	k record;
	target integer := mailbox_named(p_account, p_name);
	many integer := cardinality(p_blob);
	total bigint;
	first_uid bigint;
	answer bigint[];
	refusal text;
BEGIN
	s := mailbox_lock(p_account, target);
	IF s.mailbox IS NULL THEN
		RETURN NEXT refused('NO_MAILBOX');
		RETURN;
	END IF;
	e := change_begin(s, p_timeline);
	first_uid := e.uidnext;
	answer := ARRAY[target, (SELECT uidvalidity FROM mailboxes WHERE account = p_account AND mailbox = target), first_uid, many];
	c := call_claim(p_account, p_key, p_keep_ms, answer);
	IF c.key IS NOT NULL THEN
		RETURN NEXT twin(c);
		RETURN;
	END IF;
	SELECT sum(b + octet_length(p)) INTO total FROM unnest(p_blob_size, p_prefix) u(b, p);
	IF (SELECT min(m) FROM unnest(p_put_ms) m) < now_ms() - 3600000 THEN
		refusal := 'STALE';
	ELSIF NOT usage_take(p_account, total, many) THEN
		refusal := 'OVERQUOTA';
	END IF;
	IF refusal IS NOT NULL THEN
		PERFORM call_answer(p_account, p_key, refusal, '{}');
		RETURN NEXT refused(refusal);
		RETURN;
	END IF;
	SELECT * INTO k FROM keyword_numbers(p_account, target, p_keyword, true);
	IF k.numbers IS NULL THEN
		PERFORM usage_give(p_account, total, many);
		PERFORM call_answer(p_account, p_key, 'LIMIT', '{}');
		RETURN NEXT refused('LIMIT');
		RETURN;
	END IF;
	e.keyword := k.added;
	e.keyword_first := k.added_first;
	INSERT INTO messages
	SELECT p_account, target::bigint << 32 | first_uid + i - 1, target::bigint << 32 | first_uid + i - 1, blob, put_ms, blob_size,
		blob_size + octet_length(prefix), parser, complete, prefix, envelope, structure, body, parts, fields
	FROM unnest(p_blob, p_put_ms, p_blob_size, p_parser, p_complete, p_prefix, p_envelope, p_structure, p_body, p_parts, p_fields)
		WITH ORDINALITY u(blob, put_ms, blob_size, parser, complete, prefix, envelope, structure, body, parts, fields, i);
	INSERT INTO entries
	SELECT p_account, first_uid + i - 1, target::bigint << 32 | first_uid + i - 1, e.modseq, blob_size + octet_length(prefix), date,
		now_ms(), target, flags,
		(SELECT keyword_set(array_agg(n)) FROM unnest(k.numbers, p_keyword_mail) w(n, mail) WHERE w.mail = i)
	FROM unnest(p_blob_size, p_prefix, p_date, p_flags) WITH ORDINALITY u(blob_size, prefix, date, flags, i);
	s.messages := s.messages + many;
	s.bytes := s.bytes + total;
	s.unseen := s.unseen + (SELECT count(*) FROM unnest(p_flags) f WHERE f & 1 = 0);
	s.deleted := s.deleted + (SELECT count(*) FROM unnest(p_flags) f WHERE f & 8 <> 0);
	e.uidnext := first_uid + many;
	e := entries_pack(p_account, target, (SELECT array_agg(u) FROM generate_series(first_uid, e.uidnext - 1) u), e);
	e.is_new := true;
	e.answer := answer;
	RETURN NEXT change_end(s, e);
END $$;

-- Put a mail into one locked mailbox on its way of delivery; `e` is the change that has begun.
CREATE FUNCTION delivery_enter(s mailbox_state, e effect, p_message bigint, p_size bigint, p_date bigint, p_flags integer, p_keyword bytea[])
RETURNS effect LANGUAGE plpgsql AS $$
DECLARE
	k record;
	numbers smallint[];
BEGIN
	IF p_keyword IS NOT NULL THEN
		SELECT * INTO k FROM keyword_numbers(s.account, s.mailbox, p_keyword, true);
		numbers := keyword_set(k.numbers);
	END IF;
	-- A mailbox that has all the keywords it may have still takes mail.
	IF numbers IS NOT NULL THEN
		e.keyword := k.added;
		e.keyword_first := k.added_first;
		e.keywords := ARRAY[0, cardinality(numbers)] || numbers::integer[];
	END IF;
	INSERT INTO entries VALUES (s.account, e.uidnext, p_message, e.modseq, p_size, p_date, now_ms(), s.mailbox, p_flags, numbers);
	e.uids := ARRAY[e.uidnext];
	e.flags := ARRAY[p_flags];
	e.sizes := ARRAY[p_size];
	e.dates := ARRAY[p_date];
	e.is_new := true;
	e.uidnext := e.uidnext + 1;
	s.messages := s.messages + 1;
	s.bytes := s.bytes + p_size;
	s.unseen := s.unseen + (p_flags & 1 = 0)::integer;
	s.deleted := s.deleted + (p_flags & 8 <> 0)::integer;
	RETURN change_end(s, e);
END $$;

-- Deliver a mail to one account, into the mailboxes named (INBOX for those that are not there), each once. Keywords are one list,
-- keyword_place says of which name (from 1) each is. p_transaction, kept for six days, makes a second delivery a success that does
-- nothing. Answer: 1 when it was done before.
CREATE FUNCTION mail_deliver(p_account bigint, p_key bytea, p_keep_ms bigint, p_transaction bytea, p_timeline bigint, p_blob bytea,
	p_put_ms bigint, p_blob_size bigint, p_parser integer, p_complete boolean, p_prefix bytea, p_envelope bytea, p_structure bytea,
	p_body bytea, p_parts bytea, p_fields bytea, p_date bigint, p_name bytea[], p_flags integer[], p_keyword bytea[],
	p_keyword_place integer[])
RETURNS SETOF effect LANGUAGE plpgsql AS $$
DECLARE
	place integer[];
	targets integer[];
	locked bigint;
	t record;
	s mailbox_state;
	e effect;
	c calls;
	message_id bigint;
	mail_size bigint := p_blob_size + octet_length(p_prefix);
	refusal text;
	words bytea[];
BEGIN
	SELECT array_agg((SELECT mailbox FROM mailboxes WHERE account = p_account AND name = n AND attributes & 1 = 0) ORDER BY i)
	INTO place FROM unnest(p_name) WITH ORDINALITY u(n, i);
	IF array_position(place, NULL) IS NOT NULL THEN
		place := array_replace(place, NULL, mailbox_named(p_account, 'INBOX'));
	END IF;
	targets := array_remove(place, NULL);
	IF cardinality(targets) > 1 THEN
		targets := ARRAY(SELECT DISTINCT unnest(targets));
	END IF;
	SELECT count(*) INTO locked FROM (SELECT FROM mailbox_state WHERE account = p_account AND mailbox = ANY (targets) ORDER BY mailbox
		FOR NO KEY UPDATE) l;
	IF cardinality(targets) = 0 THEN
		RETURN NEXT refused('NO_ACCOUNT');
		RETURN;
	ELSIF locked < cardinality(targets) THEN
		RAISE SQLSTATE '40001' USING MESSAGE = 'a mailbox has gone while it was waited for';
	END IF;
	c := call_claim(p_account, p_key, p_keep_ms, '{0}');
	IF c.key IS NOT NULL THEN
		RETURN NEXT twin(c);
		RETURN;
	END IF;
	refusal := CASE (SELECT state FROM accounts WHERE account = p_account)
		WHEN 'active' THEN NULL WHEN 'disabled' THEN 'DISABLED' ELSE 'NO_ACCOUNT' END;
	IF refusal IS NULL AND octet_length(p_transaction) > 0 THEN
		c := call_claim(p_account, p_transaction, 6 * 86400000, '{1}');
		IF c.key IS NOT NULL THEN
			PERFORM call_answer(p_account, p_key, 'OK', '{1}');
			RETURN NEXT twin(c);
			RETURN;
		END IF;
	END IF;
	IF refusal IS NULL AND p_put_ms < now_ms() - 3600000 THEN
		refusal := 'STALE';
	ELSIF refusal IS NULL AND NOT usage_take(p_account, mail_size * cardinality(targets), cardinality(targets)) THEN
		refusal := 'OVERQUOTA';
	END IF;
	IF refusal IS NOT NULL THEN
		DELETE FROM calls WHERE account = p_account AND key = p_transaction;
		PERFORM call_answer(p_account, p_key, refusal, '{}');
		RETURN NEXT refused(refusal);
		RETURN;
	END IF;
	FOR t IN SELECT p AS mailbox, bit_or(p_flags[i]) AS flags, array_agg(i::integer) AS names FROM unnest(place) WITH ORDINALITY u(p, i)
		GROUP BY p ORDER BY p LOOP
		s := mailbox_lock(p_account, t.mailbox);
		e := change_begin(s, p_timeline);
		IF message_id IS NULL THEN
			message_id := s.mailbox::bigint << 32 | e.uidnext;
			INSERT INTO messages VALUES (p_account, message_id, message_id, p_blob, p_put_ms, p_blob_size, mail_size, p_parser,
				p_complete, p_prefix, p_envelope, p_structure, p_body, p_parts, p_fields);
		END IF;
		IF cardinality(p_keyword) > 0 THEN
			words := (SELECT array_agg(k) FROM unnest(p_keyword, p_keyword_place) w(k, i) WHERE w.i = ANY (t.names));
		END IF;
		e := delivery_enter(s, e, message_id, mail_size, p_date, t.flags, words);
		e.answer := '{0}';
		RETURN NEXT e;
	END LOOP;
END $$;

-- Modes of STORE: 0 adds, 1 removes, 2 replaces.
CREATE FUNCTION flags_after(p_mode integer, p_have integer, p_flags integer) RETURNS integer LANGUAGE sql IMMUTABLE AS $$
	SELECT CASE p_mode WHEN 0 THEN p_have | p_flags WHEN 1 THEN p_have & ~p_flags ELSE p_flags END
$$;

CREATE FUNCTION keywords_after(p_mode integer, p_have smallint[], p_numbers smallint[]) RETURNS smallint[] LANGUAGE sql IMMUTABLE AS $$
	SELECT CASE WHEN p_mode = 2 THEN p_numbers
		WHEN p_numbers IS NULL THEN p_have
		WHEN p_mode = 0 THEN keyword_set(p_have::integer[] || p_numbers::integer[])
		ELSE keyword_set(ARRAY(SELECT unnest(p_have) EXCEPT SELECT unnest(p_numbers))::integer[]) END
$$;

-- The UIDs of a mailbox in these ranges, at most `limit`, ascending as the ranges are. A range is one walk along the index.
CREATE FUNCTION uids_within(p_account bigint, p_mailbox integer, p_first bigint[], p_last bigint[], p_limit integer, p_flags integer)
RETURNS bigint[] LANGUAGE plpgsql STABLE AS $$
BEGIN
	RETURN (SELECT array_agg(w.uid) FROM (
		SELECT n.uid FROM unnest(p_first, p_last) r(f, l), LATERAL (
			SELECT uid FROM entries WHERE account = p_account AND mailbox = p_mailbox AND uid BETWEEN r.f AND r.l AND flags & p_flags = p_flags
			ORDER BY uid LIMIT p_limit) n
		LIMIT p_limit) w);
END $$;

-- Change flags (RFC 3501 s. 6.4.6, RFC 7162 s. 3.1.3): mode 0 adds, 1 removes, 2 replaces. At most `limit` messages are looked at.
-- p_unchanged NULL: no condition. Answer: the last uid looked at (0: no more to look at), then the uids that failed the condition.
CREATE FUNCTION mailbox_store(p_account bigint, p_key bytea, p_keep_ms bigint, p_timeline bigint, p_mailbox integer, p_first bigint[],
	p_last bigint[], p_limit integer, p_mode integer, p_flags integer, p_keyword bytea[], p_unchanged bigint)
RETURNS SETOF effect LANGUAGE plpgsql AS $$
DECLARE
	s mailbox_state := mailbox_lock(p_account, p_mailbox);
	e effect;
	c calls;
	k record;
	numbers smallint[];
	seen bigint[];
	failed bigint[];
	touched bigint[];
	d record;
BEGIN
	IF s.mailbox IS NULL THEN
		RETURN NEXT refused('NO_MAILBOX');
		RETURN;
	END IF;
	c := call_claim(p_account, p_key, p_keep_ms, '{0}');
	IF c.key IS NOT NULL THEN
		RETURN NEXT twin(c);
		RETURN;
	END IF;
	e := change_begin(s, p_timeline);
	seen := uids_within(p_account, p_mailbox, p_first, p_last, p_limit, 0);
	IF p_unchanged IS NOT NULL THEN
		SELECT array_agg(uid ORDER BY uid) INTO failed FROM entries
		WHERE account = p_account AND mailbox = p_mailbox AND uid = ANY (seen) AND modseq > p_unchanged;
	END IF;
	SELECT * INTO k FROM keyword_numbers(p_account, p_mailbox, p_keyword, p_mode <> 1 AND cardinality(seen) > 0);
	IF k.numbers IS NULL THEN
		PERFORM call_answer(p_account, p_key, 'LIMIT', '{}');
		RETURN NEXT refused('LIMIT');
		RETURN;
	END IF;
	numbers := keyword_set(k.numbers);
	-- What changes, then the change: no join, whose plan would depend on statistics.
	SELECT array_agg(w.uid) AS uids, coalesce(sum((w.after & 1 = 0)::integer - (w.flags & 1 = 0)::integer), 0) AS unseen,
		coalesce(sum((w.after & 8 <> 0)::integer - (w.flags & 8 <> 0)::integer), 0) AS deleted INTO d
	FROM (SELECT uid, flags, flags_after(p_mode, flags, p_flags) AS after, keywords FROM entries
		WHERE account = p_account AND mailbox = p_mailbox AND uid = ANY (seen) AND (p_unchanged IS NULL OR modseq <= p_unchanged)) w
	WHERE w.flags <> w.after OR w.keywords IS DISTINCT FROM keywords_after(p_mode, w.keywords, numbers);
	touched := d.uids;
	UPDATE entries SET flags = flags_after(p_mode, flags, p_flags), keywords = keywords_after(p_mode, keywords, numbers), modseq = e.modseq
	WHERE account = p_account AND mailbox = p_mailbox AND uid = ANY (touched);
	e.answer := CASE WHEN cardinality(seen) = p_limit THEN seen[p_limit] ELSE 0 END || coalesce(failed, '{}');
	PERFORM call_answer(p_account, p_key, 'OK', e.answer);
	IF touched IS NULL AND k.added IS NULL THEN
		e.mailbox := NULL;
		RETURN NEXT e;
		RETURN;
	END IF;
	s.unseen := s.unseen + d.unseen;
	s.deleted := s.deleted + d.deleted;
	e := entries_pack(p_account, p_mailbox, touched, e);
	e.keyword := k.added;
	e.keyword_first := k.added_first;
	RETURN NEXT change_end(s, e);
END $$;

-- UIDs in ascending order as ranges: first, last, first, last.
CREATE FUNCTION uid_ranges(p_uids bigint[]) RETURNS bigint[] LANGUAGE sql IMMUTABLE AS $$
	SELECT array_agg(v ORDER BY first, v)
	FROM (SELECT min(u) AS first, max(u) AS last FROM (SELECT u, u - row_number() OVER (ORDER BY u) AS island FROM unnest(p_uids) u) i
		GROUP BY island) r, LATERAL (VALUES (first), (last)) both_ends(v)
$$;

-- Remove messages, at most `limit` (RFC 3501 s. 6.4.3, RFC 4315 s. 2.1): those with \Deleted, or all that are named. The message
-- rows stay until a purge. Answer: the last uid removed (0: no more to remove).
CREATE FUNCTION mailbox_expunge(p_account bigint, p_timeline bigint, p_mailbox integer, p_first bigint[], p_last bigint[],
	p_limit integer, p_regardless boolean)
RETURNS SETOF effect LANGUAGE plpgsql AS $$
DECLARE
	s mailbox_state := mailbox_lock(p_account, p_mailbox);
	e effect;
	d record;
	leaving bigint[];
BEGIN
	IF s.mailbox IS NULL THEN
		RETURN NEXT refused('NO_MAILBOX');
		RETURN;
	END IF;
	IF s.deleted = 0 AND NOT p_regardless THEN
		e := refused('OK');
		e.answer := '{0}';
		RETURN NEXT e;
		RETURN;
	END IF;
	e := change_begin(s, p_timeline);
	leaving := uids_within(p_account, p_mailbox, p_first, p_last, p_limit, CASE WHEN p_regardless THEN 0 ELSE 8 END);
	WITH gone AS (
		DELETE FROM entries WHERE account = p_account AND mailbox = p_mailbox AND uid = ANY (leaving) RETURNING *
	), kept AS (
		INSERT INTO purge SELECT account, message, mailbox, uid, now_ms(), date, flags, keywords FROM gone
	)
	SELECT array_agg(uid ORDER BY uid) AS uids, count(*) AS messages, coalesce(sum(size), 0) AS bytes,
		count(*) FILTER (WHERE flags & 1 = 0) AS unseen, count(*) FILTER (WHERE flags & 8 <> 0) AS deleted INTO d FROM gone;
	IF d.uids IS NULL THEN
		e.answer := '{0}';
		e.mailbox := NULL;
		RETURN NEXT e;
		RETURN;
	END IF;
	s.messages := s.messages - d.messages;
	s.unseen := s.unseen - d.unseen;
	s.deleted := s.deleted - d.deleted;
	s.bytes := s.bytes - d.bytes;
	e.vanished := uid_ranges(d.uids);
	e.answer := ARRAY[CASE WHEN d.messages = p_limit THEN d.uids[p_limit] ELSE 0 END];
	e := change_end(s, e);
	PERFORM usage_give(p_account, d.bytes::bigint, d.messages);
	RETURN NEXT e;
END $$;

-- The keywords of one mailbox, by number, as numbers of another (both locked).
CREATE FUNCTION keywords_translate(p_account bigint, p_from integer, p_to integer, p_used integer[],
	OUT map integer[], OUT added bytea[], OUT added_first integer) LANGUAGE plpgsql AS $$
DECLARE
	k record;
	have bytea[];
BEGIN
	map := '{}';
	IF p_used IS NULL THEN
		RETURN;
	END IF;
	SELECT keywords INTO have FROM mailboxes WHERE account = p_account AND mailbox = p_from;
	SELECT * INTO k FROM keyword_numbers(p_account, p_to, (SELECT array_agg(have[n + 1] ORDER BY i) FROM unnest(p_used) WITH ORDINALITY u(n, i)), true);
	IF k.numbers IS NULL THEN
		map := NULL;
		RETURN;
	END IF;
	map := array_fill(-1, ARRAY[cardinality(have)]);
	FOR i IN 1 .. cardinality(p_used) LOOP
		map[p_used[i] + 1] := k.numbers[i];
	END LOOP;
	added := k.added;
	added_first := k.added_first;
END $$;

-- Give entries of one mailbox new UIDs at the end of another, which is locked as `s`: all of p_uids, in ascending order.
-- NULL: too many keywords. Quota is the caller's. Answer: uidvalidity, how many, their uids there, and here.
CREATE FUNCTION entries_copy(s mailbox_state, p_timeline bigint, p_from integer, p_uids bigint[]) RETURNS effect LANGUAGE plpgsql AS $$
DECLARE
	e effect;
	k record;
	d record;
	first_uid bigint;
BEGIN
	e := change_begin(s, p_timeline);
	first_uid := e.uidnext;
	SELECT * INTO k FROM keywords_translate(s.account, p_from, s.mailbox, (SELECT array_agg(DISTINCT w::integer)
		FROM entries n, LATERAL unnest(n.keywords) w
		WHERE n.account = s.account AND n.mailbox = p_from AND n.uid = ANY (p_uids) AND n.keywords IS NOT NULL));
	IF k.map IS NULL THEN
		RETURN NULL;
	END IF;
	e.keyword := k.added;
	e.keyword_first := k.added_first;
	INSERT INTO entries
	SELECT account, first_uid + row_number() OVER (ORDER BY uid) - 1, message, e.modseq, size, date, now_ms(), s.mailbox, flags,
		CASE WHEN keywords IS NULL THEN NULL ELSE keyword_set(ARRAY(SELECT k.map[w + 1] FROM unnest(keywords) w)) END
	FROM entries WHERE account = s.account AND mailbox = p_from AND uid = ANY (p_uids);
	SELECT count(*) AS messages, coalesce(sum(size), 0) AS bytes, count(*) FILTER (WHERE flags & 1 = 0) AS unseen,
		count(*) FILTER (WHERE flags & 8 <> 0) AS deleted INTO d
	FROM entries WHERE account = s.account AND mailbox = s.mailbox AND uid >= first_uid;
	e.uidnext := first_uid + d.messages;
	s.messages := s.messages + d.messages;
	s.unseen := s.unseen + d.unseen;
	s.deleted := s.deleted + d.deleted;
	s.bytes := s.bytes + d.bytes;
	e := entries_pack(s.account, s.mailbox, (SELECT array_agg(u) FROM generate_series(first_uid, e.uidnext - 1) u), e);
	e.is_new := true;
	e.answer := ARRAY[(SELECT uidvalidity FROM mailboxes WHERE account = s.account AND mailbox = s.mailbox), d.messages::bigint]
		|| p_uids || e.uids;
	RETURN change_end(s, e);
END $$;

-- Lock the two mailboxes of a COPY or MOVE in ascending order. False: one of them is not there.
CREATE FUNCTION mailbox_pair_lock(p_account bigint, p_mailbox integer, p_target integer) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
	PERFORM 1 FROM mailbox_state WHERE account = p_account AND mailbox IN (p_mailbox, p_target) ORDER BY mailbox FOR NO KEY UPDATE;
	RETURN (SELECT count(*) FROM mailbox_state WHERE account = p_account AND mailbox IN (p_mailbox, p_target))
		= CASE WHEN p_mailbox = p_target THEN 1 ELSE 2 END;
END $$;

-- COPY, all or none (RFC 3501 s. 6.4.7), of 250,000 messages at most. The message rows are held against a purge.
CREATE FUNCTION mailbox_copy(p_account bigint, p_key bytea, p_keep_ms bigint, p_timeline bigint, p_mailbox integer, p_first bigint[],
	p_last bigint[], p_name bytea)
RETURNS SETOF effect LANGUAGE plpgsql AS $$
DECLARE
	target integer := mailbox_named(p_account, p_name);
	e effect;
	c calls;
	there bigint[];
	held bigint[];
	total bigint;
BEGIN
	IF NOT mailbox_pair_lock(p_account, p_mailbox, target) THEN
		RETURN NEXT refused('NO_MAILBOX');
		RETURN;
	END IF;
	c := call_claim(p_account, p_key, p_keep_ms, '{}');
	IF c.key IS NOT NULL THEN
		RETURN NEXT twin(c);
		RETURN;
	END IF;
	there := uids_within(p_account, p_mailbox, p_first, p_last, 2147483647, 0);
	IF cardinality(there) > 250000 THEN
		PERFORM call_answer(p_account, p_key, 'LIMIT', '{}');
		RETURN NEXT refused('LIMIT');
		RETURN;
	END IF;
	SELECT sum(size), array_agg(message) INTO total, held FROM entries
	WHERE account = p_account AND mailbox = p_mailbox AND uid = ANY (there);
	PERFORM 1 FROM messages WHERE account = p_account AND message = ANY (held) ORDER BY message FOR KEY SHARE;
	IF there IS NULL THEN
		e := refused('OK');
		e.answer := ARRAY[(SELECT uidvalidity FROM mailboxes WHERE account = p_account AND mailbox = target), 0];
		PERFORM call_answer(p_account, p_key, 'OK', e.answer);
	ELSIF NOT usage_take(p_account, total, cardinality(there)) THEN
		e := refused('OVERQUOTA');
		PERFORM call_answer(p_account, p_key, 'OVERQUOTA', '{}');
	ELSE
		e := entries_copy(mailbox_lock(p_account, target), p_timeline, p_mailbox, there);
		IF e.status IS NULL THEN
			PERFORM usage_give(p_account, total, cardinality(there));
			e := refused('LIMIT');
		END IF;
		PERFORM call_answer(p_account, p_key, e.status, e.answer);
	END IF;
	RETURN NEXT e;
END $$;

-- Take entries out of a locked mailbox: they have been given another place.
CREATE FUNCTION entries_leave(s mailbox_state, p_timeline bigint, p_uids bigint[]) RETURNS effect LANGUAGE plpgsql AS $$
DECLARE
	e effect;
	d record;
BEGIN
	e := change_begin(s, p_timeline);
	WITH gone AS (DELETE FROM entries WHERE account = s.account AND mailbox = s.mailbox AND uid = ANY (p_uids) RETURNING *)
	SELECT count(*) AS messages, sum(size) AS bytes, count(*) FILTER (WHERE flags & 1 = 0) AS unseen,
		count(*) FILTER (WHERE flags & 8 <> 0) AS deleted INTO d FROM gone;
	s.messages := s.messages - d.messages;
	s.unseen := s.unseen - d.unseen;
	s.deleted := s.deleted - d.deleted;
	s.bytes := s.bytes - d.bytes;
	e.vanished := uid_ranges(p_uids);
	RETURN change_end(s, e);
END $$;

-- MOVE (RFC 6851): both mailboxes locked in ascending order. They may be the same: the messages then get new UIDs.
CREATE FUNCTION mailbox_move(p_account bigint, p_key bytea, p_keep_ms bigint, p_timeline bigint, p_mailbox integer, p_first bigint[],
	p_last bigint[], p_name bytea)
RETURNS SETOF effect LANGUAGE plpgsql AS $$
DECLARE
	target integer := mailbox_named(p_account, p_name);
	e effect;
	c calls;
	there bigint[];
	answer bigint[];
BEGIN
	IF NOT mailbox_pair_lock(p_account, p_mailbox, target) THEN
		RETURN NEXT refused('NO_MAILBOX');
		RETURN;
	END IF;
	c := call_claim(p_account, p_key, p_keep_ms, '{}');
	IF c.key IS NOT NULL THEN
		RETURN NEXT twin(c);
		RETURN;
	END IF;
	there := uids_within(p_account, p_mailbox, p_first, p_last, 2147483647, 0);
	IF cardinality(there) > 250000 THEN
		PERFORM call_answer(p_account, p_key, 'LIMIT', '{}');
		RETURN NEXT refused('LIMIT');
		RETURN;
	END IF;
	IF there IS NULL THEN
		e := refused('OK');
		e.answer := ARRAY[(SELECT uidvalidity FROM mailboxes WHERE account = p_account AND mailbox = target), 0];
		PERFORM call_answer(p_account, p_key, 'OK', e.answer);
		RETURN NEXT e;
		RETURN;
	END IF;
	e := entries_copy(mailbox_lock(p_account, target), p_timeline, p_mailbox, there);
	IF e.status IS NULL THEN
		PERFORM call_answer(p_account, p_key, 'LIMIT', '{}');
		RETURN NEXT refused('LIMIT');
		RETURN;
	END IF;
	answer := e.answer;
	PERFORM call_answer(p_account, p_key, 'OK', answer);
	RETURN NEXT e;
	e := entries_leave(mailbox_lock(p_account, p_mailbox), p_timeline, there);
	e.answer := answer;
	RETURN NEXT e;
END $$;

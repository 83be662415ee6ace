-- What a script decides, in one transaction for each account: copies, mail on its way out, marks; and the queue that a worker sends.

-- An item is due at due_ms. Whoever leases it moves that to the end of the lease and names it by `token`, so a lease that is not renewed
-- ends by itself. `domain` is the recipient's, folded; `reply` the last that was said of it.
DROP TABLE outbox;
CREATE SEQUENCE outbox_items;
CREATE TABLE outbox (
	account bigint NOT NULL,
	item bigint NOT NULL DEFAULT nextval('outbox_items'),
	created_ms bigint NOT NULL DEFAULT now_ms(),
	due_ms bigint NOT NULL DEFAULT now_ms(),
	token bigint NOT NULL DEFAULT 0,
	attempts integer NOT NULL DEFAULT 0,
	owner text COLLATE "C" NOT NULL DEFAULT '',
	kind text COLLATE "C" NOT NULL,
	sender bytea NOT NULL,
	recipient bytea NOT NULL,
	domain bytea NOT NULL,
	message_id bytea NOT NULL,
	blob bytea NOT NULL,
	blob_size bigint NOT NULL,
	prefix bytea NOT NULL,
	reply bytea NOT NULL DEFAULT '',
	PRIMARY KEY (account, item)
) WITH (fillfactor = 80);
-- Where a mail goes: what is behind the last @, its letters of ASCII made small.
CREATE FUNCTION outbox_domain(p_address bytea) RETURNS bytea LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
	RETURN decode(lower(substring(encode(p_address, 'escape') FROM '[^@]*$') COLLATE "C"), 'escape');
END $$;

CREATE UNIQUE INDEX outbox_item ON outbox (item);
CREATE INDEX outbox_due ON outbox (due_ms);
CREATE INDEX outbox_account_due ON outbox (account, due_ms);
CREATE INDEX outbox_object ON outbox (substring(blob from 1 for 17));
CREATE INDEX marks_until ON marks (until_ms);

-- ---- delivery

-- What makes a delivery undo what it did and answer with that name of the error table.
CREATE FUNCTION delivery_refuse(p_status text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	RAISE EXCEPTION USING ERRCODE = 'SORA1', MESSAGE = p_status;
END $$;

-- For each copy the mailbox that is there: by number, by special use (of several the one of that name, RFC 8579 s. 4), by name; NULL: none.
CREATE FUNCTION delivery_places(p_account bigint, p_mailbox integer[], p_use integer[], p_name bytea[]) RETURNS integer[]
LANGUAGE plpgsql AS $$
BEGIN
	RETURN (SELECT array_agg(coalesce(
		(SELECT m.mailbox FROM mailboxes m WHERE m.account = p_account AND m.mailbox = c.mailbox AND m.attributes & 1 = 0),
		CASE WHEN c.use <> 0 THEN (SELECT m.mailbox FROM mailboxes m
			WHERE m.account = p_account AND m.attributes & c.use = c.use AND m.attributes & 1 = 0
			ORDER BY m.name IS DISTINCT FROM c.name, m.mailbox LIMIT 1) END,
		mailbox_named(p_account, c.name)) ORDER BY c.i)
	FROM unnest(p_mailbox, p_use, p_name) WITH ORDINALITY c(mailbox, use, name, i));
END $$;

-- Claim marks, in an order that all share. True where a mark was free, or is prolonged (mode 2); one that is taken and may not be (mode 1)
-- refuses the delivery.
CREATE FUNCTION marks_claim(p_account bigint, p_kind bytea[], p_mark bytea[], p_life_ms bigint[], p_mode integer[]) RETURNS boolean[]
LANGUAGE plpgsql AS $$
DECLARE
	w record;
	now bigint := now_ms();
	free boolean[] := array_fill(false, ARRAY[cardinality(p_mark)]);
BEGIN
	FOR w IN SELECT convert_from(kind, 'UTF8') AS kind, mark, life_ms, mode, i::integer
		FROM unnest(p_kind, p_mark, p_life_ms, p_mode) WITH ORDINALITY u(kind, mark, life_ms, mode, i) ORDER BY kind, mark LOOP
		INSERT INTO marks AS m VALUES (p_account, w.kind, w.mark, now + w.life_ms)
		ON CONFLICT (account, kind, mark) DO UPDATE SET until_ms = excluded.until_ms WHERE m.until_ms <= now OR w.mode = 2;
		free[w.i] := FOUND;
		IF NOT FOUND AND w.mode = 1 THEN
			PERFORM delivery_refuse('RERUN');
		END IF;
	END LOOP;
	RETURN free;
END $$;

-- A mailbox for a copy that wants one made (RFC 5490 s. 3.2); the caller holds the namespace. With as many as there may be: INBOX.
CREATE FUNCTION delivery_make(p_account bigint, p_timeline bigint, p_name bytea, p_use integer) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
	made integer := mailbox_named(p_account, p_name);
BEGIN
	IF made IS NOT NULL THEN
		RETURN made;
	ELSIF (SELECT count(*) FROM mailboxes WHERE account = p_account) >= 10000 THEN
		RETURN mailbox_named(p_account, 'INBOX');
	END IF;
	PERFORM parents_make(p_account, p_timeline, p_name);
	INSERT INTO subscriptions VALUES (p_account, p_name) ON CONFLICT DO NOTHING;
	PERFORM namespace_changed(p_account);
	RETURN mailbox_make(p_account, p_timeline, p_name, p_use);
END $$;

-- Deliver to one account what its scripts decided: copies of mails (in mailboxes by number, special use, name, made where `create` says
-- so, INBOX where there is none), mails on their way out, each of which may need a mark: the place of one (from 1), or 0. Keywords are one
-- list, keyword_copy says of which copy each is. The transaction as in mail_deliver. Answer: 1 when it was done before.
CREATE FUNCTION mail_deliver_filtered(p_account bigint, p_key bytea, p_keep_ms bigint, p_transaction bytea, p_timeline bigint, p_date bigint,
	p_blob bytea[], p_put_ms bigint[], p_blob_size bigint[], p_parser integer[], p_complete boolean[], p_prefix bytea[],
	p_envelope bytea[], p_structure bytea[], p_body bytea[], p_parts bytea[], p_fields bytea[],
	p_mark_kind bytea[], p_mark bytea[], p_mark_life_ms bigint[], p_mark_mode integer[],
	p_copy_mail integer[], p_copy_mark integer[], p_mailbox integer[], p_use integer[], p_name bytea[], p_create boolean[],
	p_flags integer[], p_keyword bytea[], p_keyword_copy integer[],
	p_send_mail integer[], p_send_mark integer[], p_kind bytea[], p_sender bytea[], p_recipient bytea[],
	p_message_id bytea[], p_send_prefix bytea[])
RETURNS SETOF effect LANGUAGE plpgsql AS $$
DECLARE
	t record;
	s mailbox_state;
	e effect;
	c calls;
	refusal text;
	place integer[];
	targets integer[];
	locked bigint;
	inbox integer;
	is_made boolean := false;
	free boolean[];
	total bigint;
	many bigint;
	message_ids bigint[] := array_fill(NULL::bigint, ARRAY[cardinality(p_blob)]);
	words bytea[];
BEGIN
	SELECT CASE state WHEN 'active' THEN NULL WHEN 'disabled' THEN 'DISABLED' ELSE 'NO_ACCOUNT' END INTO refusal
	FROM accounts WHERE account = p_account FOR KEY SHARE;
	IF NOT FOUND THEN
		refusal := 'NO_ACCOUNT';
	END IF;
	IF true = ANY (p_create) THEN
		PERFORM namespace_lock(p_account, p_timeline);
	END IF;
	inbox := mailbox_named(p_account, 'INBOX');
	place := delivery_places(p_account, p_mailbox, p_use, p_name);
	FOR i IN 1 .. cardinality(p_create) LOOP
		IF place[i] IS NULL AND NOT p_create[i] THEN
			place[i] := inbox;
		END IF;
	END LOOP;
	targets := ARRAY(SELECT DISTINCT u FROM unnest(place || CASE WHEN true = ANY (p_create) THEN inbox END) u WHERE u IS NOT NULL);
	SELECT count(*) INTO locked FROM (SELECT FROM mailbox_state WHERE account = p_account AND mailbox = ANY (targets) ORDER BY mailbox
		FOR NO KEY UPDATE) l;
	IF refusal IS NULL AND locked < cardinality(targets) THEN
		RAISE SQLSTATE '40001' USING MESSAGE = 'a mailbox has gone while it was waited for';
	END IF;
	c := call_claim(p_account, p_key, p_keep_ms, '{0}');
	IF c.key IS NOT NULL THEN
		RETURN NEXT twin(c);
		RETURN;
	END IF;
	IF refusal IS NULL AND octet_length(p_transaction) > 0 THEN
		c := call_claim(p_account, p_transaction, 6 * 86400000, '{1}');
		IF c.key IS NOT NULL THEN
			PERFORM call_answer(p_account, p_key, 'OK', '{1}');
			RETURN NEXT twin(c);
			RETURN;
		END IF;
	END IF;
	IF refusal IS NULL AND (SELECT min(m) FROM unnest(p_put_ms) m) < now_ms() - 3600000 THEN
		refusal := 'STALE';
	END IF;
	IF refusal IS NULL THEN
		BEGIN
			free := true || marks_claim(p_account, p_mark_kind, p_mark, p_mark_life_ms, p_mark_mode);
			FOR i IN 1 .. cardinality(p_create) LOOP
				IF place[i] IS NULL AND free[p_copy_mark[i] + 1] THEN
					place[i] := delivery_make(p_account, p_timeline, p_name[i], p_use[i]);
					is_made := true;
				END IF;
			END LOOP;
			SELECT count(*), coalesce(sum(p_blob_size[d.mail] + octet_length(p_prefix[d.mail])), 0) INTO many, total
			FROM (SELECT DISTINCT u.mailbox, u.mail FROM unnest(place, p_copy_mail, p_copy_mark) u(mailbox, mail, mark)
				WHERE free[u.mark + 1]) d;
			IF many > 0 THEN
				IF NOT usage_take(p_account, total, many) THEN
					PERFORM delivery_refuse('OVERQUOTA');
				END IF;
			END IF;
		EXCEPTION WHEN SQLSTATE 'SORA1' THEN
			refusal := SQLERRM;
		END;
	END IF;
	IF refusal IS NOT NULL THEN
		DELETE FROM calls WHERE account = p_account AND key = p_transaction;
		PERFORM call_answer(p_account, p_key, refusal, '{}');
		RETURN NEXT refused(refusal);
		RETURN;
	END IF;
	FOR t IN SELECT u.mailbox, u.mail, bit_or(u.flags) AS flags, array_agg(u.i::integer) AS copies
		FROM unnest(place, p_copy_mail, p_copy_mark, p_flags) WITH ORDINALITY u(mailbox, mail, mark, flags, i)
		WHERE free[u.mark + 1] GROUP BY u.mailbox, u.mail ORDER BY u.mailbox, min(u.i) LOOP
		s := mailbox_lock(p_account, t.mailbox);
		e := change_begin(s, p_timeline);
		total := p_blob_size[t.mail] + octet_length(p_prefix[t.mail]);
		IF message_ids[t.mail] IS NULL THEN
			message_ids[t.mail] := s.mailbox::bigint << 32 | e.uidnext;
			INSERT INTO messages VALUES (p_account, message_ids[t.mail], message_ids[t.mail], p_blob[t.mail], p_put_ms[t.mail],
				p_blob_size[t.mail], total, p_parser[t.mail], p_complete[t.mail], p_prefix[t.mail], p_envelope[t.mail],
				p_structure[t.mail], p_body[t.mail], p_parts[t.mail], p_fields[t.mail]);
		END IF;
		words := (SELECT array_agg(k) FROM unnest(p_keyword, p_keyword_copy) w(k, i) WHERE w.i = ANY (t.copies));
		e := delivery_enter(s, e, message_ids[t.mail], total, p_date, t.flags, words);
		e.answer := '{0}';
		RETURN NEXT e;
	END LOOP;
	INSERT INTO outbox (account, kind, sender, recipient, domain, message_id, blob, blob_size, prefix)
	SELECT p_account, convert_from(u.kind, 'UTF8'), u.sender, u.recipient, outbox_domain(u.recipient), u.message_id, p_blob[u.mail],
		p_blob_size[u.mail], u.prefix
	FROM unnest(p_send_mail, p_send_mark, p_kind, p_sender, p_recipient, p_message_id, p_send_prefix)
		WITH ORDINALITY u(mail, mark, kind, sender, recipient, message_id, prefix, i)
	WHERE free[u.mark + 1] ORDER BY u.i;
	IF is_made OR many = 0 THEN
		e := CASE WHEN is_made THEN tree_changed('{0}') ELSE refused('OK') END;
		RETURN NEXT e;
	END IF;
END $$;

-- ---- the queue

-- Lease one item that is due: of the accounts that have any, the next behind `after` in turn, so that none waits for another's many; not of
-- the accounts and for the domains that have their share. At most `visits` accounts are looked at. No item: reached NULL, there is none due
-- behind `after`; else go on from there.
CREATE FUNCTION outbox_lease(p_after bigint, p_visits integer, p_full_account bigint[], p_full_domain bytea[], p_owner text, p_token bigint,
	p_lease_ms bigint, OUT reached bigint, OUT o outbox) LANGUAGE plpgsql AS $$
DECLARE
	now bigint := now_ms();
	due bigint;
	candidate bigint;
BEGIN
	-- The first of the index: whether any is due could be looked for in the whole table.
	SELECT q.due_ms INTO due FROM outbox q ORDER BY q.due_ms LIMIT 1;
	IF due IS NULL OR due > now THEN
		RETURN;
	END IF;
	reached := p_after;
	FOR visit IN 1 .. p_visits LOOP
		SELECT q.account, q.due_ms INTO reached, due FROM outbox q WHERE q.account > reached ORDER BY q.account, q.due_ms LIMIT 1;
		EXIT WHEN reached IS NULL;
		CONTINUE WHEN due > now OR reached = ANY (p_full_account);
		FOR candidate IN SELECT f.item FROM (SELECT q.item, q.domain, q.due_ms FROM outbox q
				WHERE q.account = reached AND q.due_ms <= now ORDER BY q.due_ms LIMIT 200) f
			WHERE f.domain <> ALL (p_full_domain) ORDER BY f.due_ms LOOP
			PERFORM 1 FROM outbox q WHERE q.account = reached AND q.item = candidate AND q.due_ms <= now FOR UPDATE SKIP LOCKED;
			CONTINUE WHEN NOT FOUND;
			UPDATE outbox q SET due_ms = now + p_lease_ms, token = p_token, owner = p_owner
			WHERE q.account = reached AND q.item = candidate RETURNING * INTO o;
			RETURN;
		END LOOP;
	END LOOP;
END $$;

-- False: the lease was lost, or the item is gone.
CREATE FUNCTION outbox_renew(p_account bigint, p_item bigint, p_token bigint, p_lease_ms bigint) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
	UPDATE outbox SET due_ms = now_ms() + p_lease_ms WHERE account = p_account AND item = p_item AND token = p_token;
	RETURN FOUND;
END $$;

-- Not sent now: again after `delay`. It counts as an attempt when it was this mail that was put off, not all of them.
CREATE FUNCTION outbox_defer(p_account bigint, p_item bigint, p_token bigint, p_reply bytea, p_delay_ms bigint, p_counts boolean)
RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	UPDATE outbox SET due_ms = now_ms() + p_delay_ms, token = 0, owner = '', attempts = attempts + p_counts::integer, reply = p_reply
	WHERE account = p_account AND item = p_item AND token = p_token;
	RETURN CASE WHEN FOUND THEN 'OK' ELSE 'NONEXISTENT' END;
END $$;

-- Sent, or given up; then its sender, if it has one, is sent the bounce.
CREATE FUNCTION outbox_end(p_account bigint, p_item bigint, p_token bigint, p_blob bytea, p_put_ms bigint, p_blob_size bigint,
	p_message_id bytea) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	o outbox;
BEGIN
	SELECT * INTO o FROM outbox WHERE account = p_account AND item = p_item AND token = p_token FOR UPDATE;
	IF NOT FOUND THEN
		RETURN 'NONEXISTENT';
	END IF;
	IF octet_length(p_blob) > 0 AND octet_length(o.sender) > 0 THEN
		IF p_put_ms < now_ms() - 3600000 THEN
			RETURN 'STALE';
		END IF;
		INSERT INTO outbox (account, kind, sender, recipient, domain, message_id, blob, blob_size, prefix)
		VALUES (p_account, 'bounce', '', o.sender, outbox_domain(o.sender), p_message_id, p_blob, p_blob_size, '');
	END IF;
	DELETE FROM outbox WHERE account = p_account AND item = p_item;
	PERFORM deletions_queue(ARRAY[o.blob]);
	RETURN 'OK';
END $$;

-- For whoever looks after the queue. NULL, or no items: all of them.
CREATE FUNCTION outbox_find(p_item bigint[], p_account bigint, p_kind text, p_state text, p_after bigint, p_limit integer)
RETURNS TABLE (item bigint, state text) LANGUAGE plpgsql AS $$
DECLARE
	now bigint := now_ms();
BEGIN
	RETURN QUERY SELECT f.item, f.state FROM (
		SELECT o.item, CASE WHEN o.due_ms <= now THEN 'ready' WHEN o.token <> 0 THEN 'sending' ELSE 'deferred' END AS state
		FROM outbox o WHERE o.item > p_after AND (cardinality(p_item) = 0 OR o.item = ANY (p_item))
			AND (p_account IS NULL OR o.account = p_account) AND (p_kind IS NULL OR o.kind = p_kind)) f
	WHERE p_state IS NULL OR f.state = p_state ORDER BY f.item LIMIT p_limit;
END $$;

-- Due now, but what is being sent.
CREATE FUNCTION outbox_hurry(p_item bigint[]) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
	now bigint := now_ms();
	many integer;
BEGIN
	UPDATE outbox SET due_ms = now WHERE item = ANY (ARRAY(SELECT item FROM outbox WHERE item = ANY (p_item) ORDER BY item FOR UPDATE))
		AND (token = 0 OR due_ms <= now);
	GET DIAGNOSTICS many = ROW_COUNT;
	RETURN many;
END $$;

-- Items that go without having been sent. Returns how many.
CREATE FUNCTION outbox_drop(p_item bigint[]) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
	gone bytea[];
BEGIN
	WITH taken AS (DELETE FROM outbox WHERE item = ANY (ARRAY(SELECT item FROM outbox WHERE item = ANY (p_item) ORDER BY item FOR UPDATE))
		RETURNING blob)
	SELECT array_agg(blob) INTO gone FROM taken;
	PERFORM deletions_queue(gone);
	RETURN coalesce(cardinality(gone), 0);
END $$;

-- ---- what goes

CREATE FUNCTION purge_marks(p_limit integer) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
	now bigint := now_ms();
	many integer;
BEGIN
	DELETE FROM marks WHERE ctid = ANY (ARRAY(SELECT ctid FROM marks WHERE until_ms <= now LIMIT p_limit FOR UPDATE SKIP LOCKED));
	GET DIAGNOSTICS many = ROW_COUNT;
	RETURN many;
END $$;

-- As before; mail on its way out goes, too.
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
	PERFORM outbox_drop(ARRAY(SELECT item FROM outbox WHERE account = a.account));
	RETURN 1;
END $$;

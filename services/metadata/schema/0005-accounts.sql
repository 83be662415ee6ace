-- Accounts: the operator's calls, whose keys are those of account 0. Addresses are looked up folded. Answer: the account.

-- Lock the account that has an address.
CREATE FUNCTION account_lock(p_folded bytea) RETURNS accounts LANGUAGE plpgsql AS $$
DECLARE
	a accounts;
BEGIN
	SELECT * INTO a FROM accounts WHERE account = (SELECT account FROM addresses WHERE folded = p_folded) FOR NO KEY UPDATE;
	RETURN a;
END $$;

-- An account's own event: is_gone ends its sessions.
CREATE FUNCTION account_changed(p_account bigint, p_is_gone boolean) RETURNS effect LANGUAGE sql IMMUTABLE AS $$
	SELECT ('OK', false, ARRAY[p_account], 0, p_is_gone, NULL, NULL, NULL, NULL, NULL, false, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
		NULL, NULL)::effect
$$;

-- The end of every call here: what happened is kept for its twin, and said.
CREATE FUNCTION account_answer(p_key bytea, p_status text, p_account bigint, p_is_gone boolean) RETURNS effect LANGUAGE plpgsql AS $$
BEGIN
	PERFORM call_answer(0, p_key, p_status, CASE WHEN p_account IS NULL THEN '{}' ELSE ARRAY[p_account] END);
	RETURN CASE WHEN p_status = 'OK' THEN account_changed(p_account, p_is_gone) ELSE refused(p_status) END;
END $$;

CREATE FUNCTION account_create(p_key bytea, p_keep_ms bigint, p_timeline bigint, p_account bigint, p_address bytea, p_folded bytea,
	p_hash text, p_quota bigint, p_name bytea[], p_attributes integer[])
RETURNS SETOF effect LANGUAGE plpgsql AS $$
DECLARE
	c calls := call_claim(0, p_key, p_keep_ms, '{}');
	r record;
BEGIN
	IF c.key IS NOT NULL THEN
		RETURN NEXT twin(c);
		RETURN;
	END IF;
	IF EXISTS (SELECT FROM addresses WHERE folded = p_folded) THEN
		RETURN NEXT account_answer(p_key, 'EXISTS', NULL, false);
		RETURN;
	END IF;
	INSERT INTO accounts VALUES (p_account, 'active', now_ms());
	INSERT INTO addresses VALUES (p_account, p_folded, p_address, true);
	INSERT INTO credentials VALUES (p_account, p_hash, 1);
	INSERT INTO usage VALUES (p_account, 0, 0, p_quota);
	INSERT INTO namespace VALUES (p_account, 1, 0, 1, p_timeline);
	FOR r IN SELECT name, attributes FROM unnest(p_name, p_attributes) WITH ORDINALITY u(name, attributes, i) ORDER BY i LOOP
		IF mailbox_named(p_account, r.name) IS NULL THEN
			PERFORM parents_make(p_account, p_timeline, r.name);
			PERFORM mailbox_make(p_account, p_timeline, r.name, r.attributes);
			INSERT INTO subscriptions VALUES (p_account, r.name) ON CONFLICT DO NOTHING;
		END IF;
	END LOOP;
	RETURN NEXT account_answer(p_key, 'OK', p_account, false);
END $$;

-- NULL and false: as it was.
CREATE FUNCTION account_update(p_key bytea, p_keep_ms bigint, p_folded bytea, p_hash text, p_quota bigint, p_primary boolean,
	p_enable boolean, p_disable boolean)
RETURNS SETOF effect LANGUAGE plpgsql AS $$
DECLARE
	c calls := call_claim(0, p_key, p_keep_ms, '{}');
	a accounts;
BEGIN
	IF c.key IS NOT NULL THEN
		RETURN NEXT twin(c);
		RETURN;
	END IF;
	a := account_lock(p_folded);
	IF a.account IS NULL OR a.state = 'deleted' THEN
		RETURN NEXT account_answer(p_key, 'NO_ACCOUNT', NULL, false);
		RETURN;
	END IF;
	IF p_hash IS NOT NULL THEN
		UPDATE credentials SET hash = p_hash, version = version + 1 WHERE account = a.account;
	END IF;
	IF p_quota IS NOT NULL THEN
		UPDATE usage SET limit_bytes = p_quota WHERE account = a.account;
	END IF;
	IF p_primary THEN
		UPDATE addresses SET is_primary = false WHERE account = a.account AND is_primary AND folded <> p_folded;
		UPDATE addresses SET is_primary = true WHERE account = a.account AND NOT is_primary AND folded = p_folded;
	END IF;
	IF p_enable OR p_disable THEN
		UPDATE accounts SET state = CASE WHEN p_disable THEN 'disabled' ELSE 'active' END WHERE account = a.account;
	END IF;
	RETURN NEXT account_answer(p_key, 'OK', a.account, p_disable OR p_hash IS NOT NULL);
END $$;

-- Disabled at once; its addresses stay its own until a purge forgets it, so that it can be restored.
CREATE FUNCTION account_delete(p_key bytea, p_keep_ms bigint, p_folded bytea) RETURNS SETOF effect LANGUAGE plpgsql AS $$
DECLARE
	c calls := call_claim(0, p_key, p_keep_ms, '{}');
	a accounts;
BEGIN
	IF c.key IS NOT NULL THEN
		RETURN NEXT twin(c);
		RETURN;
	END IF;
	a := account_lock(p_folded);
	IF a.account IS NULL OR a.state = 'deleted' THEN
		RETURN NEXT account_answer(p_key, 'NO_ACCOUNT', NULL, false);
		RETURN;
	END IF;
	UPDATE accounts SET state = 'deleted', deleted_ms = now_ms() WHERE account = a.account;
	RETURN NEXT account_answer(p_key, 'OK', a.account, true);
END $$;

CREATE FUNCTION account_restore(p_key bytea, p_keep_ms bigint, p_folded bytea) RETURNS SETOF effect LANGUAGE plpgsql AS $$
DECLARE
	c calls := call_claim(0, p_key, p_keep_ms, '{}');
	a accounts;
BEGIN
	IF c.key IS NOT NULL THEN
		RETURN NEXT twin(c);
		RETURN;
	END IF;
	a := account_lock(p_folded);
	IF a.account IS NULL THEN
		RETURN NEXT account_answer(p_key, 'NO_ACCOUNT', NULL, false);
	ELSIF a.state <> 'deleted' THEN
		RETURN NEXT account_answer(p_key, 'EXISTS', NULL, false);
	ELSE
		UPDATE accounts SET state = 'active', deleted_ms = 0 WHERE account = a.account;
		RETURN NEXT account_answer(p_key, 'OK', a.account, false);
	END IF;
END $$;

CREATE FUNCTION address_add(p_key bytea, p_keep_ms bigint, p_folded bytea, p_extra bytea, p_extra_folded bytea, p_primary boolean)
RETURNS SETOF effect LANGUAGE plpgsql AS $$
DECLARE
	c calls := call_claim(0, p_key, p_keep_ms, '{}');
	a accounts;
	status text;
BEGIN
	IF c.key IS NOT NULL THEN
		RETURN NEXT twin(c);
		RETURN;
	END IF;
	a := account_lock(p_folded);
	IF a.account IS NULL OR a.state = 'deleted' THEN
		status := 'NO_ACCOUNT';
	ELSIF EXISTS (SELECT FROM addresses WHERE folded = p_extra_folded) THEN
		status := 'EXISTS';
	ELSIF (SELECT count(*) FROM addresses WHERE account = a.account) >= 1000 THEN
		status := 'LIMIT';
	END IF;
	IF status IS NOT NULL THEN
		RETURN NEXT account_answer(p_key, status, NULL, false);
		RETURN;
	END IF;
	IF p_primary THEN
		UPDATE addresses SET is_primary = false WHERE account = a.account AND is_primary;
	END IF;
	INSERT INTO addresses VALUES (a.account, p_extra_folded, p_extra, p_primary);
	RETURN NEXT account_answer(p_key, 'OK', a.account, false);
END $$;

CREATE FUNCTION address_remove(p_key bytea, p_keep_ms bigint, p_folded bytea, p_extra_folded bytea)
RETURNS SETOF effect LANGUAGE plpgsql AS $$
DECLARE
	c calls := call_claim(0, p_key, p_keep_ms, '{}');
	a accounts;
	x addresses;
	status text;
BEGIN
	IF c.key IS NOT NULL THEN
		RETURN NEXT twin(c);
		RETURN;
	END IF;
	a := account_lock(p_folded);
	SELECT * INTO x FROM addresses WHERE account = a.account AND folded = p_extra_folded;
	IF a.account IS NULL OR a.state = 'deleted' THEN
		status := 'NO_ACCOUNT';
	ELSIF x.account IS NULL THEN
		status := 'NONEXISTENT';
	ELSIF x.is_primary THEN
		status := 'CANNOT';
	END IF;
	IF status IS NOT NULL THEN
		RETURN NEXT account_answer(p_key, status, NULL, false);
		RETURN;
	END IF;
	DELETE FROM addresses WHERE account = a.account AND folded = p_extra_folded;
	RETURN NEXT account_answer(p_key, 'OK', a.account, false);
END $$;

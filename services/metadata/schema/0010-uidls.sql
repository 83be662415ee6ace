-- Unique-ids of POP3 (RFC 1939 s. 7) that messages brought with them from another server. Those without have one made of UIDVALIDITY and
-- UID. A row stays when its message goes: its unique-id is never given again.
CREATE TABLE uidls (
	account bigint NOT NULL,
	mailbox integer NOT NULL,
	uid bigint NOT NULL,
	uidl bytea NOT NULL,
	PRIMARY KEY (account, mailbox, uid),
	UNIQUE (account, mailbox, uidl)
);

-- Give them to messages that are there. All or nothing: EXISTS when one of them is another message's already.
CREATE FUNCTION uidls_set(p_address bytea, p_mailbox bytea, p_uids bigint[], p_uidls bytea[]) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	owner bigint := (SELECT a.account FROM addresses a WHERE a.folded = p_address);
	box integer;
BEGIN
	IF owner IS NULL THEN
		RETURN 'NO_ACCOUNT';
	END IF;
	SELECT mailbox INTO box FROM mailboxes WHERE account = owner AND name = p_mailbox FOR SHARE;
	IF NOT FOUND THEN
		RETURN 'NO_MAILBOX';
	END IF;
	IF EXISTS (SELECT FROM unnest(p_uids) u(uid) WHERE NOT EXISTS (
			SELECT FROM entries e WHERE e.account = owner AND e.mailbox = box AND e.uid = u.uid)) THEN
		RETURN 'NONEXISTENT';
	END IF;
	INSERT INTO uidls SELECT owner, box, uid, uidl FROM unnest(p_uids, p_uidls) u(uid, uidl)
	ON CONFLICT (account, mailbox, uid) DO UPDATE SET uidl = excluded.uidl;
	RETURN 'OK';
EXCEPTION WHEN unique_violation OR cardinality_violation THEN
	RETURN 'EXISTS';
END $$;

-- The doomed mailbox's unique-ids go with it.
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
	IF many < p_limit THEN
		DELETE FROM uidls WHERE account = d.account AND mailbox = d.mailbox;
		DELETE FROM doomed WHERE account = d.account AND mailbox = d.mailbox AND NOT EXISTS (
			SELECT FROM entries WHERE account = d.account AND mailbox = d.mailbox) AND NOT EXISTS (
			SELECT FROM changes WHERE account = d.account AND mailbox = d.mailbox);
	END IF;
	RETURN many + 1;
END $$;

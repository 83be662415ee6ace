-- Several bodies may be in one object, whose name is the first 17 bytes of their references. Whether a body is wanted is asked for the
-- body, whether something can go for the object: an object goes when all of it is due, or what is wanted of it is written anew elsewhere.
-- Whoever takes the last reference to a body away queues it, so that none is lost from sight.

CREATE INDEX outbox_object ON outbox (substring(blob from 1 for 17));

-- When the row is looked at next, on the scale of queued_ms: it is due when both lie blob.keep back. NULL: settled; it is looked at when
-- another body of its object is due.
ALTER TABLE deletions ADD COLUMN look_ms bigint;
UPDATE deletions SET look_ms = queued_ms;
CREATE INDEX deletions_look ON deletions (look_ms);
DROP INDEX deletions_queued;

-- Whoever writes to the queue holds this until it commits, and takes it after the rows of messages that it locks. Thus of two who
-- take the last two references to a body away, one sees so.
CREATE FUNCTION deletions_lock() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	PERFORM pg_advisory_xact_lock(7236542092);
END $$;

-- By a message, or by a mail on its way out.
CREATE FUNCTION blob_is_wanted(p_blob bytea) RETURNS boolean LANGUAGE plpgsql STABLE AS $$
BEGIN
	RETURN EXISTS (SELECT FROM messages WHERE substring(blob FROM 1 FOR 17) = substring(p_blob FROM 1 FOR 17) AND blob = p_blob)
		OR EXISTS (SELECT FROM outbox WHERE substring(blob FROM 1 FOR 17) = substring(p_blob FROM 1 FOR 17) AND blob = p_blob);
END $$;

-- Bodies that have lost a reference: those that have no other are queued. One that had been queued before, and was wanted again, is kept
-- for the whole of blob.keep once more.
CREATE FUNCTION deletions_queue(p_blob bytea[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	PERFORM deletions_lock();
	INSERT INTO deletions SELECT b, now_ms(), now_ms() FROM (SELECT DISTINCT unnest(p_blob)) u(b) WHERE NOT blob_is_wanted(b)
	ON CONFLICT (blob) DO UPDATE SET queued_ms = excluded.queued_ms, look_ms = excluded.queued_ms;
END $$;

-- A message row that nothing needs any more goes. Returns its body; NULL: it stays.
DROP FUNCTION message_forget(bigint, bigint);
CREATE FUNCTION message_forget(p_account bigint, p_message bigint) RETURNS bytea LANGUAGE plpgsql AS $$
DECLARE
	gone bytea;
BEGIN
	PERFORM 1 FROM messages WHERE account = p_account AND message = p_message FOR UPDATE;
	IF EXISTS (SELECT FROM entries WHERE account = p_account AND message = p_message)
		OR EXISTS (SELECT FROM purge WHERE account = p_account AND message = p_message) THEN
		RETURN NULL;
	END IF;
	DELETE FROM messages WHERE account = p_account AND message = p_message RETURNING blob INTO gone;
	RETURN gone;
END $$;

CREATE OR REPLACE FUNCTION purge_expunged(p_limit integer, p_before_ms bigint) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
	r record;
	many integer := 0;
	gone bytea[] := '{}';
BEGIN
	FOR r IN WITH taken AS (DELETE FROM purge WHERE ctid = ANY (ARRAY(SELECT ctid FROM purge WHERE expunged_ms <= p_before_ms
			ORDER BY expunged_ms LIMIT p_limit FOR UPDATE SKIP LOCKED)) RETURNING account, message)
		SELECT account, message, count(*) AS many FROM taken GROUP BY account, message ORDER BY account, message LOOP
		gone := gone || message_forget(r.account, r.message);
		many := many + r.many;
	END LOOP;
	PERFORM deletions_queue(array_remove(gone, NULL));
	RETURN many;
END $$;

-- A second look at rows of the queue that are due, at most `limit`. What is wanted again leaves it. Returns objects with their bodies that
-- are due and those that are wanted; without the latter the object can go. An object of which nothing is wanted, but something is not
-- due yet, waits for that: a backup refers to it. One of which very much is wanted stays as it is. What is returned is held:
-- not returned again for `hold` ms, so that several workers share the work and one that fails does not stand in the way.
CREATE FUNCTION objects_due(p_limit integer, p_before_ms bigint, p_hold_ms bigint)
RETURNS TABLE (object bytea, dead bytea[], live bytea[]) LANGUAGE plpgsql AS $$
DECLARE
	rows bytea[];
	total integer := 0;
BEGIN
	PERFORM deletions_lock();
	FOR object IN SELECT DISTINCT substring(q.blob FROM 1 FOR 17)
		FROM (SELECT d.blob FROM deletions d WHERE d.look_ms <= p_before_ms ORDER BY d.look_ms LIMIT p_limit) q LOOP
		DELETE FROM deletions d WHERE substring(d.blob FROM 1 FOR 17) = object AND blob_is_wanted(d.blob);
		dead := ARRAY(SELECT d.blob FROM deletions d WHERE substring(d.blob FROM 1 FOR 17) = object AND d.queued_ms <= p_before_ms
			LIMIT 1000);
		CONTINUE WHEN dead = '{}';
		rows := ARRAY(SELECT m.blob FROM messages m WHERE substring(m.blob FROM 1 FOR 17) = object LIMIT 10001)
			|| ARRAY(SELECT o.blob FROM outbox o WHERE substring(o.blob FROM 1 FOR 17) = object LIMIT 10001);
		live := ARRAY(SELECT DISTINCT unnest(rows));
		IF cardinality(rows) > 10000 OR cardinality(live) > 1000 OR (live = '{}' AND EXISTS (
			SELECT FROM deletions d WHERE substring(d.blob FROM 1 FOR 17) = object AND d.queued_ms > p_before_ms)) THEN
			UPDATE deletions d SET look_ms = NULL WHERE substring(d.blob FROM 1 FOR 17) = object AND d.queued_ms <= p_before_ms;
			CONTINUE;
		END IF;
		UPDATE deletions d SET look_ms = p_before_ms + p_hold_ms
		WHERE substring(d.blob FROM 1 FOR 17) = object AND d.queued_ms <= p_before_ms;
		RETURN NEXT;
		total := total + cardinality(dead) + cardinality(live);
		EXIT WHEN total > 5000;
	END LOOP;
END $$;

-- Objects that are gone leave the queue; of those that stay as they are, the rows that were given and are still held are settled. A row
-- that came due since was not given: it is not touched.
CREATE FUNCTION deletions_done(p_gone bytea[], p_settled bytea[], p_before_ms bigint) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	PERFORM deletions_lock();
	DELETE FROM deletions WHERE substring(blob FROM 1 FOR 17) = ANY (p_gone);
	UPDATE deletions SET look_ms = NULL
	WHERE substring(blob FROM 1 FOR 17) = ANY (p_settled) AND queued_ms <= p_before_ms AND look_ms > p_before_ms;
END $$;

-- Bodies were written anew: what refers to from[i] refers to to[i]. A name of the error table. The rows are locked in the order of a
-- purge, and against those who hold them to copy the reference elsewhere. Who read the old reference and has not committed yet is found
-- by the second look, as the old body is queued.
CREATE FUNCTION blobs_relocate(p_from bytea[], p_to bytea[], p_put_ms bigint) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	objects bytea[] := ARRAY(SELECT DISTINCT substring(f FROM 1 FOR 17) FROM unnest(p_from) f);
	moved bytea[];
BEGIN
	moved := ARRAY(SELECT l.blob FROM (SELECT blob FROM messages WHERE substring(blob FROM 1 FOR 17) = ANY (objects) AND blob = ANY (p_from)
		ORDER BY account, message FOR UPDATE) l);
	moved := moved || ARRAY(SELECT l.blob FROM (SELECT blob FROM outbox WHERE substring(blob FROM 1 FOR 17) = ANY (objects)
		AND blob = ANY (p_from) ORDER BY account, item FOR UPDATE) l);
	moved := ARRAY(SELECT DISTINCT unnest(moved));
	IF p_put_ms < now_ms() - 3600000 THEN
		RETURN 'STALE';
	END IF;
	UPDATE messages SET blob = p_to[array_position(p_from, blob)], put_ms = p_put_ms
	WHERE substring(blob FROM 1 FOR 17) = ANY (objects) AND blob = ANY (moved);
	UPDATE outbox SET blob = p_to[array_position(p_from, blob)]
	WHERE substring(blob FROM 1 FOR 17) = ANY (objects) AND blob = ANY (moved);
	PERFORM deletions_queue(moved);
	RETURN 'OK';
END $$;

-- What a metadata service of the step before asks for: bodies whose object can go.
CREATE OR REPLACE FUNCTION deletions_due(p_limit integer, p_before_ms bigint) RETURNS SETOF bytea LANGUAGE plpgsql AS $$
BEGIN
	RETURN QUERY SELECT unnest(d.dead) FROM objects_due(p_limit, p_before_ms, 60000) d WHERE d.live = '{}';
END $$;

CREATE OR REPLACE FUNCTION objects_referenced(p_object bytea[], p_fence_ms bigint) RETURNS bytea[] LANGUAGE plpgsql AS $$
BEGIN
	IF EXISTS (SELECT FROM pg_stat_activity WHERE backend_type = 'client backend' AND datname = current_database()
		AND pid <> pg_backend_pid() AND xact_start < to_timestamp(p_fence_ms / 1000.0)) THEN
		RETURN NULL;
	END IF;
	RETURN coalesce((SELECT array_agg(o) FROM unnest(p_object) o
		WHERE EXISTS (SELECT FROM messages m WHERE substring(m.blob FROM 1 FOR 17) = o)
			OR EXISTS (SELECT FROM outbox x WHERE substring(x.blob FROM 1 FOR 17) = o)
			OR EXISTS (SELECT FROM deletions d WHERE substring(d.blob FROM 1 FOR 17) = o)), '{}');
END $$;

-- What is read. STABLE functions see the snapshot of the statement that calls them.

-- A page of a mailbox behind a UID, as columns.
CREATE FUNCTION entries_page(p_account bigint, p_mailbox integer, p_after bigint, p_limit integer,
	OUT uids bigint[], OUT modseqs bigint[], OUT flags integer[], OUT sizes bigint[], OUT dates bigint[], OUT keywords integer[])
LANGUAGE plpgsql STABLE AS $$
BEGIN
	SELECT array_agg(r.uid), array_agg(r.modseq), array_agg(r.flags), array_agg(r.size), array_agg(r.date)
	INTO uids, modseqs, flags, sizes, dates
	FROM (SELECT n.uid, n.modseq, n.flags, n.size, n.date FROM entries n
		WHERE n.account = p_account AND n.mailbox = p_mailbox AND n.uid > p_after ORDER BY n.uid LIMIT p_limit) r;
	SELECT array_agg(k.v ORDER BY r.place, k.i) INTO keywords
	FROM (SELECT n.keywords, row_number() OVER (ORDER BY n.uid) - 1 AS place FROM entries n
		WHERE n.account = p_account AND n.mailbox = p_mailbox AND n.uid > p_after ORDER BY n.uid LIMIT p_limit) r,
		LATERAL unnest(ARRAY[r.place::integer, cardinality(r.keywords)] || r.keywords::integer[]) WITH ORDINALITY k(v, i)
	WHERE r.keywords IS NOT NULL;
END $$;

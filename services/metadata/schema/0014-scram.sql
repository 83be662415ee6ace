-- SCRAM (RFC 5802): verifiers beside the hash that PLAIN is checked with.

-- They are of the password of scram_version: whoever changes the password alone, as the release before this one does, makes them void.
ALTER TABLE credentials ADD COLUMN scram_sha_256 text COLLATE "C", ADD COLUMN scram_sha_1 text COLLATE "C",
	ADD COLUMN scram_version bigint NOT NULL DEFAULT 0;

-- What only the metadata service knows. "salts": of it and of a name is made the salt that is told where there is no verifier.
CREATE TABLE secrets (
	name text COLLATE "C" PRIMARY KEY,
	value bytea NOT NULL
);
INSERT INTO secrets VALUES ('salts', sha256(convert_to(gen_random_uuid()::text || gen_random_uuid()::text || gen_random_uuid()::text, 'UTF8')));

-- account_create with verifiers. A number that a twin has not taken is no account's.
CREATE FUNCTION account_create(p_key bytea, p_keep_ms bigint, p_timeline bigint, p_account bigint, p_address bytea, p_folded bytea,
	p_hash text, p_scram_sha_256 text, p_scram_sha_1 text, p_quota bigint, p_name bytea[], p_attributes integer[])
RETURNS SETOF effect LANGUAGE plpgsql AS $$
BEGIN
	RETURN QUERY SELECT * FROM account_create(p_key, p_keep_ms, p_timeline, p_account, p_address, p_folded, p_hash, p_quota, p_name,
		p_attributes);
	UPDATE credentials SET scram_sha_256 = p_scram_sha_256, scram_sha_1 = p_scram_sha_1, scram_version = version
	WHERE account = p_account;
END $$;

-- account_update with those of a new password; with its hash they are of one password, whoever set it.
CREATE FUNCTION account_update(p_key bytea, p_keep_ms bigint, p_folded bytea, p_hash text, p_scram_sha_256 text, p_scram_sha_1 text,
	p_quota bigint, p_primary boolean, p_enable boolean, p_disable boolean)
RETURNS SETOF effect LANGUAGE plpgsql AS $$
BEGIN
	RETURN QUERY SELECT * FROM account_update(p_key, p_keep_ms, p_folded, p_hash, p_quota, p_primary, p_enable, p_disable);
	UPDATE credentials SET scram_sha_256 = p_scram_sha_256, scram_sha_1 = p_scram_sha_1, scram_version = version
	WHERE account = (SELECT account FROM addresses WHERE folded = p_folded) AND hash = p_hash;
END $$;

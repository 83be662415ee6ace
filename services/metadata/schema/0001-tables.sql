-- The tables. Every key begins with the account; what people typed and what came by mail is bytea; numbers that a status
-- or a flag stands for are those of the bus. A mailbox is ordered by its row in mailbox_state, which every change locks first.

CREATE TABLE accounts (
	account bigint PRIMARY KEY,
	state text COLLATE "C" NOT NULL CHECK (state IN ('active', 'disabled', 'deleted')),
	created_ms bigint NOT NULL,
	deleted_ms bigint NOT NULL DEFAULT 0
);
CREATE INDEX accounts_deleted ON accounts (deleted_ms) WHERE state = 'deleted';

CREATE TABLE addresses (
	account bigint NOT NULL,
	folded bytea NOT NULL,
	address bytea NOT NULL,
	is_primary boolean NOT NULL,
	PRIMARY KEY (account, folded)
);
CREATE UNIQUE INDEX addresses_folded ON addresses (folded);
CREATE UNIQUE INDEX addresses_primary ON addresses (account) WHERE is_primary;

CREATE TABLE credentials (
	account bigint PRIMARY KEY,
	hash text COLLATE "C" NOT NULL,
	version bigint NOT NULL
);

-- One row an account: whoever changes the tree of mailboxes locks it first.
CREATE TABLE namespace (
	account bigint PRIMARY KEY,
	version bigint NOT NULL,
	last_uidvalidity bigint NOT NULL,
	next_mailbox integer NOT NULL,
	timeline bigint NOT NULL
);

-- Keywords are only ever added to, under the lock of mailbox_state; an entry names them by their place, from 0.
CREATE TABLE mailboxes (
	account bigint NOT NULL,
	mailbox integer NOT NULL,
	name bytea NOT NULL,
	attributes integer NOT NULL,
	uidvalidity bigint NOT NULL,
	keywords bytea[] NOT NULL DEFAULT '{}',
	PRIMARY KEY (account, mailbox)
);
CREATE UNIQUE INDEX mailboxes_name ON mailboxes (account, name);

-- Survive the mailbox (RFC 3501 s. 6.3.6).
CREATE TABLE subscriptions (
	account bigint NOT NULL,
	name bytea NOT NULL,
	PRIMARY KEY (account, name)
);

-- No row: the mailbox can not be selected.
CREATE TABLE mailbox_state (
	account bigint NOT NULL,
	mailbox integer NOT NULL,
	uidnext bigint NOT NULL,
	modseq bigint NOT NULL,
	floor bigint NOT NULL,
	timeline bigint NOT NULL,
	recent_uid bigint NOT NULL,
	messages bigint NOT NULL,
	unseen bigint NOT NULL,
	deleted bigint NOT NULL,
	bytes bigint NOT NULL,
	PRIMARY KEY (account, mailbox)
) WITH (fillfactor = 80);

-- `message` is mailbox << 32 | uid of its first entry: unique in its account for ever, as neither is given twice, and in order of
-- arrival, so that a page of a mailbox is nearly a range of messages.
CREATE TABLE messages (
	account bigint NOT NULL,
	message bigint NOT NULL,
	email_id bigint NOT NULL,
	blob bytea NOT NULL,
	put_ms bigint NOT NULL,
	blob_size bigint NOT NULL,
	size bigint NOT NULL,
	parser_version integer NOT NULL,
	is_fields_complete boolean NOT NULL,
	prefix bytea NOT NULL,
	envelope bytea NOT NULL,
	bodystructure bytea NOT NULL,
	body bytea NOT NULL,
	parts bytea NOT NULL,
	fields bytea NOT NULL,
	PRIMARY KEY (account, message)
);
-- "Is this object still referred to?" A reference begins with the 17 bytes of its object's name.
CREATE INDEX messages_object ON messages (substring(blob from 1 for 17));

-- No index on modseq or flags: a change of flags stays HOT.
CREATE TABLE entries (
	account bigint NOT NULL,
	uid bigint NOT NULL,
	message bigint NOT NULL,
	modseq bigint NOT NULL,
	size bigint NOT NULL,
	date bigint NOT NULL,
	saved_ms bigint NOT NULL,
	mailbox integer NOT NULL,
	flags integer NOT NULL,
	keywords smallint[],
	PRIMARY KEY (account, mailbox, uid)
) WITH (fillfactor = 80);
CREATE INDEX entries_message ON entries (account, message);

-- The journal: one row for each transaction and mailbox, a MetadataChange in columns. All rows of a change have its modseq.
CREATE TABLE changes (
	account bigint NOT NULL,
	mailbox integer NOT NULL,
	modseq bigint NOT NULL,
	at_ms bigint NOT NULL,
	uidnext bigint NOT NULL,
	is_new boolean NOT NULL,
	uids bigint[],
	flags integer[],
	sizes bigint[],
	dates bigint[],
	keywords integer[],
	vanished bigint[],
	keyword bytea[],
	keyword_first integer,
	PRIMARY KEY (account, mailbox, modseq)
);
CREATE INDEX changes_at ON changes USING brin (at_ms);

-- The answer that was given to each call that carried a key (account 0: to the operator's), and the deliveries of six days.
CREATE TABLE calls (
	account bigint NOT NULL,
	key bytea NOT NULL,
	until_ms bigint NOT NULL,
	status text COLLATE "C" NOT NULL,
	answer bigint[] NOT NULL,
	PRIMARY KEY (account, key)
) WITH (fillfactor = 90);
CREATE INDEX calls_until ON calls USING brin (until_ms);

-- Locked last.
CREATE TABLE usage (
	account bigint PRIMARY KEY,
	bytes bigint NOT NULL,
	messages bigint NOT NULL,
	limit_bytes bigint NOT NULL
) WITH (fillfactor = 80);

-- What was expunged, with what an undelete needs.
CREATE TABLE purge (
	account bigint NOT NULL,
	message bigint NOT NULL,
	mailbox integer NOT NULL,
	uid bigint NOT NULL,
	expunged_ms bigint NOT NULL,
	date bigint NOT NULL,
	flags integer NOT NULL,
	keywords smallint[],
	PRIMARY KEY (account, mailbox, uid)
);
CREATE INDEX purge_message ON purge (account, message);
CREATE INDEX purge_expunged ON purge (expunged_ms);

-- Mailboxes that were deleted, whose entries go in small batches.
CREATE TABLE doomed (
	account bigint NOT NULL,
	mailbox integer NOT NULL,
	deleted_ms bigint NOT NULL,
	PRIMARY KEY (account, mailbox)
);

-- Objects' references that no message had when they were queued.
CREATE TABLE deletions (
	blob bytea PRIMARY KEY,
	queued_ms bigint NOT NULL
);
CREATE INDEX deletions_queued ON deletions (queued_ms);
CREATE INDEX deletions_object ON deletions (substring(blob from 1 for 17));

-- Mail on its way out; `token` and `lease_until_ms` are the lease of the worker that sends it.
CREATE TABLE outbox (
	account bigint NOT NULL,
	item bigint NOT NULL,
	due_ms bigint NOT NULL,
	attempts integer NOT NULL DEFAULT 0,
	owner text COLLATE "C" NOT NULL DEFAULT '',
	token bigint NOT NULL DEFAULT 0,
	lease_until_ms bigint NOT NULL DEFAULT 0,
	kind text COLLATE "C" NOT NULL,
	message_id bytea NOT NULL,
	sender bytea NOT NULL,
	recipients bytea[] NOT NULL,
	blob bytea NOT NULL,
	prefix bytea NOT NULL,
	PRIMARY KEY (account, item)
);
CREATE INDEX outbox_due ON outbox (due_ms);

-- What a script must not do twice: vacation replies, duplicates.
CREATE TABLE marks (
	account bigint NOT NULL,
	kind text COLLATE "C" NOT NULL,
	mark bytea NOT NULL,
	until_ms bigint NOT NULL,
	PRIMARY KEY (account, kind, mark)
);

CREATE TABLE scripts (
	account bigint NOT NULL,
	name bytea NOT NULL,
	is_active boolean NOT NULL,
	source bytea NOT NULL,
	changed_ms bigint NOT NULL,
	PRIMARY KEY (account, name)
);
CREATE UNIQUE INDEX scripts_active ON scripts (account) WHERE is_active;

-- Counted up after a restore that keeps both the system identifier and the timeline of PostgreSQL (a dump, a snapshot).
CREATE TABLE history (
	epoch bigint NOT NULL
);
INSERT INTO history VALUES (0);

-- What a change did to one mailbox, and what the call is answered. `status` is a name of the error table; the first row counts.
CREATE TYPE effect AS (
	status text,
	is_twin boolean,
	answer bigint[],
	mailbox integer,
	is_gone boolean,
	old_timeline bigint,
	old_modseq bigint,
	timeline bigint,
	modseq bigint,
	uidnext bigint,
	is_new boolean,
	uids bigint[],
	flags integer[],
	sizes bigint[],
	dates bigint[],
	keywords integer[],
	vanished bigint[],
	keyword bytea[],
	keyword_first integer,
	recent_uid bigint
);

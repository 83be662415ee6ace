#include "peers.h"

#include <criterion/criterion.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "libcommon/core/clock.h"
#include "libcommon/core/mem.h"
#include "libcommon/core/random.h"
#include "libcommon/mail/derive.h"
#include "libcommon/mail/parts.h"
#include "proto/blob.server.h"
#include "proto/metadata.server.h"
#include "services/imap/service.h"
#include "tests/harness/free_port.h"

enum { MAILBOX = 3 };

static ProtobufCBinaryData
bytes(struct str s)
{
	return (ProtobufCBinaryData){ s.len, (uint8_t *)s.ptr };
}

/* ---- the mailbox as columns; under the lock */

static MetadataCursor *
cursor_of(struct peers *peers, uint64_t modseq, struct arena *arena)
{
	MetadataCursor *cursor = ARENA_NEW(arena, MetadataCursor);

	metadata_cursor__init(cursor);
	cursor->timeline = peers->timeline;
	cursor->modseq = modseq;
	return cursor;
}

static MetadataRows *
rows_of(struct peers *peers, struct arena *arena)
{
	MetadataRows *rows = ARENA_NEW(arena, MetadataRows);
	size_t n = peers->count;

	metadata_rows__init(rows);
	rows->n_uid = rows->n_modseq = rows->n_flags = rows->n_size = rows->n_date = n;
	rows->uid = ARENA_ARRAY(arena, uint32_t, n + 1);
	rows->modseq = ARENA_ARRAY(arena, uint64_t, n + 1);
	rows->flags = ARENA_ARRAY(arena, uint32_t, n + 1);
	rows->size = ARENA_ARRAY(arena, uint64_t, n + 1);
	rows->date = ARENA_ARRAY(arena, int64_t, n + 1);
	for (size_t i = 0; i < n; i++) {
		rows->uid[i] = peers->messages[i].uid;
		rows->flags[i] = peers->messages[i].flags;
		rows->modseq[i] = peers->modseq;
		rows->size[i] = peers->body_bytes;
		rows->date[i] = 1024;
	}
	return rows;
}

/* All there is, and all that there is not: whatever one had, this makes it right. */
static MetadataChange *
change_of(struct peers *peers, struct arena *arena)
{
	MetadataChange *change = ARENA_NEW(arena, MetadataChange);
	uint32_t next = 1;

	metadata_change__init(change);
	change->modseq = peers->modseq;
	change->uidnext = peers->uidnext;
	change->rows = rows_of(peers, arena);
	change->vanished = ARENA_ARRAY(arena, MetadataUidRange *, peers->count + 2);
	for (size_t i = 0; i <= peers->count; i++) {
		uint32_t end = i < peers->count ? peers->messages[i].uid : peers->uidnext;

		if (end > next) {
			MetadataUidRange *range = ARENA_NEW(arena, MetadataUidRange);

			metadata_uid_range__init(range);
			range->first = next;
			range->last = end - 1;
			change->vanished[change->n_vanished++] = range;
		}
		next = end + 1;
	}
	return change;
}

static MetadataSync *
sync_of(struct peers *peers, struct arena *arena)
{
	MetadataSync *sync = ARENA_NEW(arena, MetadataSync);

	metadata_sync__init(sync);
	sync->status = ERR_OK;
	sync->is_lost = peers->is_lost;
	sync->cursor = cursor_of(peers, peers->modseq, arena);
	sync->change = ARENA_ARRAY(arena, MetadataChange *, 1);
	sync->change[sync->n_change++] = change_of(peers, arena);
	return sync;
}

/* ---- methods */

static enum err
login_run(struct rpc *rpc, const MetadataLoginRequest *req, MetadataLoginReply *reply)
{
	struct peers *peers = rpc->service;

	reply->account = PEER_ACCOUNT;
	reply->token = bytes(STR("token"));
	reply->user = req->user;
	return peers->login;
}

static enum err
list_run(struct rpc *rpc, const MetadataListRequest *req, MetadataListReply *reply)
{
	MetadataMailbox *inbox = ARENA_NEW(rpc->arena, MetadataMailbox);

	(void)req;
	metadata_mailbox__init(inbox);
	inbox->mailbox = MAILBOX;
	inbox->name = bytes(STR("INBOX"));
	reply->n_mailbox = 1;
	reply->mailbox = ARENA_ARRAY(rpc->arena, MetadataMailbox *, 1);
	reply->mailbox[0] = inbox;
	return ERR_OK;
}

static enum err
select_run(struct rpc *rpc, const MetadataSelectRequest *req, MetadataSelectReply *reply)
{
	struct peers *peers = rpc->service;
	MetadataState *state = ARENA_NEW(rpc->arena, MetadataState);

	(void)req;
	peers->selects++;
	pthread_mutex_lock(&peers->lock);
	metadata_state__init(state);
	state->mailbox = MAILBOX;
	state->uidvalidity = peers->uidvalidity;
	state->uidnext = peers->uidnext;
	state->cursor = cursor_of(peers, peers->modseq, rpc->arena);
	state->recent_uid = UINT32_MAX;
	reply->state = state;
	reply->is_full = true;
	reply->rows = rows_of(peers, rpc->arena);
	pthread_mutex_unlock(&peers->lock);
	return ERR_OK;
}

static enum err
sync_run(struct rpc *rpc, const MetadataSyncRequest *req, MetadataSyncReply *reply)
{
	struct peers *peers = rpc->service;

	peers->syncs++;
	reply->n_sync = req->n_item;
	reply->sync = ARENA_ARRAY(rpc->arena, MetadataSync *, req->n_item);
	pthread_mutex_lock(&peers->lock);
	for (size_t i = 0; i < req->n_item; i++)
		reply->sync[i] = sync_of(peers, rpc->arena);
	pthread_mutex_unlock(&peers->lock);
	return peers->sync;
}

static enum err
store_run(struct rpc *rpc, const MetadataStoreRequest *req, MetadataStoreReply *reply)
{
	struct peers *peers = rpc->service;

	peers->stores++;
	pthread_mutex_lock(&peers->lock);
	peers->modseq++;
	for (size_t i = 0; i < peers->count; i++)
		for (size_t k = 0; k < req->n_uids; k++)
			if (peers->messages[i].uid >= req->uids[k]->first && peers->messages[i].uid <= req->uids[k]->last)
				peers->messages[i].flags |= req->flags;
	reply->sync = sync_of(peers, rpc->arena);
	pthread_mutex_unlock(&peers->lock);
	return peers->store;
}

/* Every message is a text without structure; its reference is its UID. */
static MetadataFetchReply__Row *
wide_row(struct peers *peers, uint32_t uid, struct arena *arena)
{
	MetadataFetchReply__Row *row = ARENA_NEW(arena, MetadataFetchReply__Row);
	struct mail_parser parser;
	struct buffer parts = { 0 };
	char *body = arena_alloc(arena, peers->body_bytes + 1);

	memset(body, 'x', peers->body_bytes);
	body[0] = '\n';
	mail_parser_init(&parser);
	mail_parser_feed(&parser, str_from(body, peers->body_bytes));
	mail_parts_pack(mail_parser_finish(&parser), &parts);
	metadata_fetch_reply__row__init(row);
	row->uid = uid;
	row->email_id = PEER_EMAILS + uid;
	row->mail = ARENA_NEW(arena, MetadataMail);
	metadata_mail__init(row->mail);
	row->mail->blob = bytes(arena_printf(arena, "%u", uid));
	row->mail->blob_size = peers->body_bytes;
	row->mail->parts = bytes(arena_copy(arena, buffer_str(&parts)));
	row->mail->envelope = bytes(STR("(x)"));
	row->mail->bodystructure = bytes(STR("(xx)"));
	row->mail->body = bytes(STR("(xxx)"));
	if (peers->row_bytes > 0)
		row->mail->envelope = (ProtobufCBinaryData){ peers->row_bytes, memset(arena_alloc(arena, peers->row_bytes), 'x', peers->row_bytes) };
	buffer_clear(&parts);
	mail_parser_clear(&parser);
	return row;
}

static void
add_text(MetadataFetchReply__Texts *texts, ProtobufCBinaryData text)
{
	memcpy(texts->text.data + texts->text.len, text.data, text.len);
	texts->text.len += text.len;
	texts->length[texts->n_length++] = (uint32_t)text.len;
}

/* What the rows have of texts, instead of them. */
static void
make_texts(const struct peers *peers, const MetadataFetchRequest *req, struct arena *arena, MetadataFetchReply *reply)
{
	MetadataFetchReply__Texts *texts = ARENA_NEW(arena, MetadataFetchReply__Texts);

	metadata_fetch_reply__texts__init(texts);
	texts->uid = ARENA_ARRAY(arena, uint32_t, reply->n_row + 1);
	texts->length = ARENA_ARRAY(arena, uint32_t, reply->n_row * 3 + 1);
	texts->text.data = arena_alloc(arena, reply->n_row * (peers->row_bytes + 16) + 1);
	for (size_t i = 0; i < reply->n_row; i++) {
		texts->uid[texts->n_uid++] = reply->row[i]->uid;
		if (req->envelope)
			add_text(texts, reply->row[i]->mail->envelope);
		if (req->bodystructure)
			add_text(texts, reply->row[i]->mail->bodystructure);
		if (req->body)
			add_text(texts, reply->row[i]->mail->body);
	}
	texts->text.len -= peers->is_texts_broken;
	reply->texts = texts;
	reply->n_row = 0;
}

static bool
is_in(const MetadataFetchRequest *req, uint32_t uid)
{
	for (size_t k = 0; k < req->n_uids; k++)
		if (uid >= req->uids[k]->first && uid <= req->uids[k]->last)
			return true;
	return false;
}

static enum err
fetch_run(struct rpc *rpc, const MetadataFetchRequest *req, MetadataFetchReply *reply)
{
	struct peers *peers = rpc->service;
	enum err err;

	peers->fetches++;
	pthread_mutex_lock(&peers->lock);
	reply->row = ARENA_ARRAY(rpc->arena, MetadataFetchReply__Row *, peers->count + 1);
	for (size_t i = 0; i < peers->count; i++) {
		if (!is_in(req, peers->messages[i].uid))
			continue;
		reply->more = peers->fetch_most > 0 && reply->n_row == peers->fetch_most;
		if (reply->more)
			break;
		reply->row[reply->n_row++] = wide_row(peers, peers->messages[i].uid, rpc->arena);
	}
	pthread_mutex_unlock(&peers->lock);
	peers->rows += (int)reply->n_row;
	while (peers->rows_most < (int)reply->n_row)
		peers->rows_most = (int)reply->n_row;
	err = reply->n_row > 1 && peers->fetch_many ? peers->fetch_many : peers->fetch;
	if (req->texts)
		make_texts(peers, req, rpc->arena, reply);
	return err;
}

static void
fill_event(struct peers *peers, struct arena *arena, MetadataWatchReply *reply)
{
	MetadataEvent *event = ARENA_NEW(arena, MetadataEvent);

	metadata_event__init(event);
	event->account = PEER_ACCOUNT;
	event->mailbox = MAILBOX;
	event->old = cursor_of(peers, peers->event.old, arena);
	event->new_ = cursor_of(peers, peers->modseq, arena);
	event->gone = peers->event.is_gone;
	if (peers->event.has_change)
		event->change = change_of(peers, arena);
	reply->event = ARENA_ARRAY(arena, MetadataEvent *, 1);
	reply->event[reply->n_event++] = event;
	peers->event.is_there = false;
}

/* A poll waits a moment for an event; nobody's thread is held for long. */
static enum err
watch_run(struct rpc *rpc, const MetadataWatchRequest *req, MetadataWatchReply *reply)
{
	struct peers *peers = rpc->service;

	reply->incarnation = 1;
	reply->last = req->after + 1;
	if (!req->wait)
		return ERR_OK;
	peers->polls++;
	for (int i = 0; i < 20 && reply->n_event == 0; i++) {
		struct timespec pause = { 0, 10000000 };

		pthread_mutex_lock(&peers->lock);
		if (peers->event.is_there)
			fill_event(peers, rpc->arena, reply);
		pthread_mutex_unlock(&peers->lock);
		if (reply->n_event == 0)
			nanosleep(&pause, NULL);
	}
	return peers->watch;
}

/* One more Get is there; false: those that it should be answered together with did not come. */
static bool
get_together(struct peers *peers)
{
	int now = ++peers->gets;

	while (peers->gets_most < now)
		peers->gets_most = now;
	for (int64_t end_ms = clock_mono_ms() + 5000; peers->gets_most < peers->get_together && clock_mono_ms() < end_ms;)
		usleep(1000);
	/* More than these would come now. */
	if (peers->get_together > 0)
		usleep(20000);
	peers->gets--;
	return peers->gets_most >= peers->get_together;
}

static enum err
get_run(struct rpc *rpc, const BlobGetRequest *req, BlobGetReply *reply)
{
	struct peers *peers = rpc->service;
	uint64_t end = req->offset + req->length < peers->body_bytes ? req->offset + req->length : peers->body_bytes;
	size_t len = end > req->offset ? (size_t)(end - req->offset) : 0;
	uint32_t uid = 0;
	char *body = arena_alloc(rpc->arena, len + 1);

	if (!get_together(peers))
		return ERR_UNAVAILABLE;
	str_to_u32(str_from(req->blob.data, req->blob.len), &uid);
	if (peers->get_failure && req->offset >= peers->get_failure_at && (!peers->get_failure_uid || peers->get_failure_uid == uid))
		return (enum err)peers->get_failure;
	memset(body, 'x', len);
	if (req->offset == 0 && len > 0)
		body[0] = '\n';
	reply->size = peers->body_bytes;
	rpc->reply_chunk = str_from(body, len);
	return ERR_OK;
}

/* One message at a time. */
static enum err
find_run(struct rpc *rpc, const MetadataFindRequest *req, MetadataFindReply *reply)
{
	struct peers *peers = rpc->service;

	peers->finds++;
	reply->more = peers->is_find_broken;
	reply->uid = ARENA_NEW(rpc->arena, uint32_t);
	reply->email_id = ARENA_NEW(rpc->arena, uint64_t);
	pthread_mutex_lock(&peers->lock);
	for (size_t i = 0; i < peers->count && reply->n_uid == 0 && !peers->is_find_broken; i++) {
		for (size_t k = 0; k < req->n_email_id && peers->messages[i].uid > req->after_uid && reply->n_uid == 0; k++) {
			if (req->email_id[k] != PEER_EMAILS + peers->messages[i].uid)
				continue;
			reply->uid[reply->n_uid++] = peers->messages[i].uid;
			reply->email_id[reply->n_email_id++] = req->email_id[k];
			reply->more = i + 1 < peers->count;
		}
	}
	pthread_mutex_unlock(&peers->lock);
	return peers->find;
}

static enum err
get_many_run(struct rpc *rpc, const BlobGetManyRequest *req, BlobGetManyReply *reply)
{
	struct peers *peers = rpc->service;
	size_t len = 0;
	char *chunk;

	peers->many += (int)req->n_get;
	while (peers->many_most < (int)req->n_get)
		peers->many_most = (int)req->n_get;
	usleep((useconds_t)peers->many_late_ms * 1000);
	reply->place = ARENA_ARRAY(rpc->arena, uint32_t, req->n_get);
	reply->length = ARENA_ARRAY(rpc->arena, uint32_t, req->n_get);
	reply->size = ARENA_ARRAY(rpc->arena, uint64_t, req->n_get);
	chunk = memset(arena_alloc(rpc->arena, BUS_CHUNK_MAX), 'x', BUS_CHUNK_MAX);
	for (size_t i = 0; i < req->n_get && peers->is_at_hand && len + req->get[i]->length <= BUS_CHUNK_MAX; i++) {
		if (req->get[i]->offset == 0)
			chunk[len] = '\n';
		len += req->get[i]->length;
		reply->place[i] = (uint32_t)i;
		reply->length[i] = (uint32_t)req->get[i]->length;
		reply->size[i] = peers->body_bytes;
		reply->n_place = reply->n_length = reply->n_size = i + 1;
	}
	rpc->reply_chunk = str_from(chunk, len);
	return ERR_OK;
}

static const struct metadata_handlers metadata = { .login = login_run, .list = list_run, .select = select_run, .sync = sync_run,
	.store = store_run, .fetch = fetch_run, .find = find_run, .watch = watch_run };
static const struct blob_handlers blob = { .get = get_run, .get_many = get_many_run };

/* ---- doings of others */

void
peers_deliver(struct peers *peers)
{
	pthread_mutex_lock(&peers->lock);
	peers->messages[peers->count].uid = peers->uidnext++;
	peers->messages[peers->count++].flags = 0;
	peers->modseq++;
	pthread_mutex_unlock(&peers->lock);
}

void
peers_remove(struct peers *peers, uint32_t uid)
{
	size_t at = 0;

	pthread_mutex_lock(&peers->lock);
	while (peers->messages[at].uid != uid)
		at++;
	peers->count--;
	memmove(&peers->messages[at], &peers->messages[at + 1], (peers->count - at) * sizeof(peers->messages[0]));
	peers->modseq++;
	pthread_mutex_unlock(&peers->lock);
}

static void
tell(struct peers *peers, uint64_t old, bool has_change, bool is_gone)
{
	bool is_told = false;

	pthread_mutex_lock(&peers->lock);
	peers->event.is_there = true;
	peers->event.old = old;
	peers->event.has_change = has_change;
	peers->event.is_gone = is_gone;
	pthread_mutex_unlock(&peers->lock);
	/* It has been taken in when the poll after it begins. */
	while (!is_told) {
		struct timespec pause = { 0, 5000000 };
		int polls = peers->polls;

		pthread_mutex_lock(&peers->lock);
		is_told = !peers->event.is_there;
		pthread_mutex_unlock(&peers->lock);
		while (is_told && peers->polls == polls)
			nanosleep(&pause, NULL);
		nanosleep(&pause, NULL);
	}
}

void
peers_tell(struct peers *peers, uint64_t old, bool has_change)
{
	tell(peers, old, has_change, false);
}

void
peers_tell_gone(struct peers *peers)
{
	tell(peers, 0, false, true);
}

/* ---- clients */

struct str
peers_until(struct peers *peers, int client, const char *end)
{
	size_t len = 0;

	for (;;) {
		struct str have = str_from(peers->text, len);
		ssize_t n;

		if (str_find(have, str_c(end)) < len)
			return have;
		n = recv(peers->clients[client], peers->text + len, PEER_TEXT_MAX - len, 0);
		if (n <= 0)
			return have;
		len += (size_t)n;
	}
}

void
peers_send(struct peers *peers, int client, const char *text)
{
	cr_assert_eq(send(peers->clients[client], text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
}

struct str
peers_talk(struct peers *peers, int client, const char *text)
{
	struct arena *arena = &peers->arena;
	struct str line = str_trim(str_c(text));
	size_t feed = str_rindex(line, '\n');
	struct str last = feed < line.len ? str_sub(line, feed + 1, SIZE_MAX) : line;
	char *end = arena_cstr(arena, arena_printf(arena, "%.*s ", STR_ARG(str_sub(last, 0, str_index(last, ' ')))));
	struct str came;

	peers_send(peers, client, text);
	came = peers_until(peers, client, end);
	return arena_copy(arena, came);
}

static void
connect_client(struct peers *peers, int client)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct timeval patience = { .tv_sec = 10 };
	uint32_t port;

	str_to_u32(str_c(peers->port), &port);
	address.sin_port = htons((uint16_t)port);
	peers->clients[client] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	setsockopt(peers->clients[client], SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	cr_assert_eq(connect(peers->clients[client], (struct sockaddr *)&address, sizeof(address)), 0);
	peers_until(peers, client, "ready");
	cr_assert(str_find(peers_talk(peers, client, "l0 LOGIN a b\r\n"), STR("l0 OK")) < PEER_TEXT_MAX);
}

void
peers_start(struct peers *peers, size_t count)
{
	static const struct bus_limits limits = { .threads = 4, .queue = 100, .in_flight = 100 };
	unsigned long long n = random_u64();
	struct buffer problems = { 0 };
	struct str yaml;

	pthread_mutex_init(&peers->lock, NULL);
	peers->uidnext = 1;
	peers->uidvalidity = 11;
	peers->timeline = 5;
	peers->modseq = 100;
	peers->body_bytes = peers->body_bytes ? peers->body_bytes : 10;
	for (size_t i = 0; i < count; i++)
		peers_deliver(peers);
	peers->text = mem_alloc(PEER_TEXT_MAX);
	snprintf(peers->port, sizeof(peers->port), "%u", free_port());
	yaml = arena_printf(&peers->arena,
	    "bus: { metadata: [\"inproc://m%llx\"], blob: [\"inproc://b%llx\"] }\n"
	    "metadata: { listen: [\"inproc://m%llx\"] }\nblob: { listen: [\"inproc://b%llx\"] }\n"
	    "log: { level: error }\ndrain: { time: 1s }\nimap: { listen: [\"127.0.0.1:%s\"] }\n",
	    n, n, n, n, peers->port);
	log_setup(LOG_ERROR, LOG_LOGFMT);
	cr_assert_eq(config_parse(yaml, "test", true, &peers->config, &problems), ERR_OK, "%.*s", STR_ARG(buffer_str(&problems)));
	buffer_clear(&problems);
	peers->context = (struct service_context){ .config = peers->config, .bus = bus_new(peers->config), .hostname = STR("sora.test") };
	cr_assert_eq(metadata_serve(peers->context.bus, &metadata, peers, &limits), ERR_OK);
	cr_assert_eq(blob_serve(peers->context.bus, &blob, peers, &limits), ERR_OK);
	cr_assert_eq(imap_service.start(&peers->context, &peers->imap), ERR_OK);
	for (int i = 0; i < PEER_CLIENTS; i++)
		connect_client(peers, i);
	/* The watch hears before anything is told. */
	while (peers->polls < 2)
		nanosleep(&(struct timespec){ 0, 5000000 }, NULL);
}

void
peers_stop(struct peers *peers)
{
	for (int i = 0; i < PEER_CLIENTS; i++)
		close(peers->clients[i]);
	imap_service.drain(peers->imap);
	imap_service.stop(peers->imap);
	bus_free(peers->context.bus);
	config_free(peers->config);
	arena_clear(&peers->arena);
	free(peers->text);
	pthread_mutex_destroy(&peers->lock);
}

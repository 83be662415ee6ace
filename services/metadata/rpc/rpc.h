/* A handler for each method of proto/metadata.proto; what several of them share is below. */
#ifndef SORA_METADATA_RPC_RPC_H
#define SORA_METADATA_RPC_RPC_H

#include "libcommon/crypto/scram.h"
#include "services/metadata/authorise.h"
#include "services/metadata/name.h"
#include "services/metadata/queue.h"

enum err rpc_create_account(struct rpc *rpc, const MetadataCreateAccountRequest *req, MetadataAccount *reply);
enum err rpc_update_account(struct rpc *rpc, const MetadataUpdateAccountRequest *req, MetadataAccount *reply);
enum err rpc_delete_account(struct rpc *rpc, const MetadataAccountName *req, MetadataAccount *reply);
enum err rpc_restore_account(struct rpc *rpc, const MetadataAccountName *req, MetadataAccount *reply);
enum err rpc_list_accounts(struct rpc *rpc, const MetadataListAccountsRequest *req, MetadataListAccountsReply *reply);
enum err rpc_show_account(struct rpc *rpc, const MetadataAccountName *req, MetadataAccount *reply);
enum err rpc_add_address(struct rpc *rpc, const MetadataAddressRequest *req, MetadataAccount *reply);
enum err rpc_remove_address(struct rpc *rpc, const MetadataAddressRequest *req, MetadataAccount *reply);
enum err rpc_begin_login(struct rpc *rpc, const MetadataBeginLoginRequest *req, MetadataBeginLoginReply *reply);
enum err rpc_login(struct rpc *rpc, const MetadataLoginRequest *req, MetadataLoginReply *reply);
enum err rpc_resolve(struct rpc *rpc, const MetadataResolveRequest *req, MetadataResolveReply *reply);
enum err rpc_list(struct rpc *rpc, const MetadataListRequest *req, MetadataListReply *reply);
enum err rpc_create(struct rpc *rpc, const MetadataCreateRequest *req, MetadataCreateReply *reply);
enum err rpc_delete(struct rpc *rpc, const MetadataDeleteRequest *req, MetadataEmpty *reply);
enum err rpc_rename(struct rpc *rpc, const MetadataRenameRequest *req, MetadataEmpty *reply);
enum err rpc_subscribe(struct rpc *rpc, const MetadataSubscribeRequest *req, MetadataEmpty *reply);
enum err rpc_status(struct rpc *rpc, const MetadataStatusRequest *req, MetadataStatusReply *reply);
enum err rpc_select(struct rpc *rpc, const MetadataSelectRequest *req, MetadataSelectReply *reply);
enum err rpc_load(struct rpc *rpc, const MetadataLoadRequest *req, MetadataLoadReply *reply);
enum err rpc_sync(struct rpc *rpc, const MetadataSyncRequest *req, MetadataSyncReply *reply);
enum err rpc_fetch(struct rpc *rpc, const MetadataFetchRequest *req, MetadataFetchReply *reply);
enum err rpc_find(struct rpc *rpc, const MetadataFindRequest *req, MetadataFindReply *reply);
enum err rpc_append(struct rpc *rpc, const MetadataAppendRequest *req, MetadataAppendReply *reply);
enum err rpc_store(struct rpc *rpc, const MetadataStoreRequest *req, MetadataStoreReply *reply);
enum err rpc_expunge(struct rpc *rpc, const MetadataExpungeRequest *req, MetadataExpungeReply *reply);
enum err rpc_copy(struct rpc *rpc, const MetadataCopyRequest *req, MetadataCopyReply *reply);
enum err rpc_move(struct rpc *rpc, const MetadataCopyRequest *req, MetadataCopyReply *reply);
enum err rpc_note_login(struct rpc *rpc, const MetadataNoteLoginRequest *req, MetadataEmpty *reply);
enum err rpc_list_uidls(struct rpc *rpc, const MetadataListUidlsRequest *req, MetadataListUidlsReply *reply);
enum err rpc_set_uidls(struct rpc *rpc, const MetadataSetUidlsRequest *req, MetadataEmpty *reply);
enum err rpc_deliver(struct rpc *rpc, const MetadataDeliverRequest *req, MetadataDeliverReply *reply);
enum err rpc_lookup(struct rpc *rpc, const MetadataLookupRequest *req, MetadataLookupReply *reply);
enum err rpc_list_scripts(struct rpc *rpc, const MetadataListScriptsRequest *req, MetadataListScriptsReply *reply);
enum err rpc_get_script(struct rpc *rpc, const MetadataScriptRequest *req, MetadataScript *reply);
enum err rpc_put_script(struct rpc *rpc, const MetadataPutScriptRequest *req, MetadataEmpty *reply);
enum err rpc_delete_script(struct rpc *rpc, const MetadataScriptRequest *req, MetadataEmpty *reply);
enum err rpc_rename_script(struct rpc *rpc, const MetadataRenameScriptRequest *req, MetadataEmpty *reply);
enum err rpc_activate_script(struct rpc *rpc, const MetadataScriptRequest *req, MetadataEmpty *reply);
enum err rpc_have_space(struct rpc *rpc, const MetadataHaveSpaceRequest *req, MetadataEmpty *reply);
enum err rpc_fetch_scripts(struct rpc *rpc, const MetadataFetchScriptsRequest *req, MetadataFetchScriptsReply *reply);
enum err rpc_note_sieve(struct rpc *rpc, const MetadataNoteSieveRequest *req, MetadataEmpty *reply);
enum err rpc_list_sieve_log(struct rpc *rpc, const MetadataAccountName *req, MetadataListSieveLogReply *reply);
enum err rpc_watch(struct rpc *rpc, const MetadataWatchRequest *req, MetadataWatchReply *reply);
enum err rpc_purge(struct rpc *rpc, const MetadataPurgeRequest *req, MetadataPurgeReply *reply);
enum err rpc_referenced(struct rpc *rpc, const MetadataReferencedRequest *req, MetadataReferencedReply *reply);
enum err rpc_due_deletions(struct rpc *rpc, const MetadataDueDeletionsRequest *req, MetadataDueDeletionsReply *reply);
enum err rpc_deletions_done(struct rpc *rpc, const MetadataDeletionsDoneRequest *req, MetadataEmpty *reply);
enum err rpc_relocate(struct rpc *rpc, const MetadataRelocateRequest *req, MetadataEmpty *reply);
enum err rpc_lease_outbox(struct rpc *rpc, const MetadataLeaseOutboxRequest *req, MetadataLeaseOutboxReply *reply);
enum err rpc_renew_lease(struct rpc *rpc, const MetadataRenewLeaseRequest *req, MetadataEmpty *reply);
enum err rpc_finish_outbox(struct rpc *rpc, const MetadataFinishOutboxRequest *req, MetadataEmpty *reply);
enum err rpc_queue_state(struct rpc *rpc, const MetadataEmpty *req, MetadataQueueStateReply *reply);
enum err rpc_list_queue(struct rpc *rpc, const MetadataQueueFilter *req, MetadataListQueueReply *reply);
enum err rpc_retry_queue(struct rpc *rpc, const MetadataQueueFilter *req, MetadataQueueDone *reply);
enum err rpc_drop_queue(struct rpc *rpc, const MetadataQueueFilter *req, MetadataQueueDone *reply);
enum err rpc_ping(struct rpc *rpc, const MetadataEmpty *req, MetadataPingReply *reply);

/* account.c: the account as it is now, by number. */
enum err account_read(struct rpc *rpc, uint64_t account, MetadataAccount *ret);

/* Of `c` credentials: the verifiers that hold, in the order of enum scram_hash. */
#define VERIFIER_COLUMNS                                                                                               \
	"CASE WHEN c.scram_version = c.version THEN c.scram_sha_256 END, CASE WHEN c.scram_version = c.version THEN c.scram_sha_1 END"

/* sieve_log.c: the log as a script that its owner reads: comments, and nothing else. ERR_NONEXISTENT: it is empty. */
#define SIEVE_LOG_NAME STR("sieve-log")
enum err sieve_log_script(struct rpc *rpc, uint64_t account, MetadataScript *ret);

/* state.c: the columns of a mailbox's state, from tables `m` mailboxes and `s` mailbox_state; they are STATE_COUNT. */
#define STATE_COLUMNS                                                                                                  \
	"m.mailbox, m.uidvalidity, m.attributes, m.keywords, s.uidnext, s.timeline, s.modseq, s.floor, s.recent_uid, s.messages," \
	" s.unseen, s.deleted, s.bytes"
#define STATE_TABLES "mailboxes m JOIN mailbox_state s ON s.account = m.account AND s.mailbox = m.mailbox"
enum { STATE_MAILBOX, STATE_UIDVALIDITY, STATE_ATTRIBUTES, STATE_KEYWORDS, STATE_UIDNEXT, STATE_TIMELINE, STATE_MODSEQ, STATE_FLOOR,
	STATE_RECENT, STATE_MESSAGES, STATE_UNSEEN, STATE_DELETED, STATE_BYTES, STATE_COUNT };
void state_read(const struct pg_rows *rows, size_t row, int column, struct arena *arena, MetadataState *ret);

/*
 * sync.c: what is new in a mailbox since `have`; `have` NULL is the beginning. What cannot be told, or not cheaply, is is_lost. ERR_OK with
 * ret->status NO_MAILBOX: there is none.
 */
enum err sync_read(struct rpc *rpc, uint64_t account, uint64_t mailbox, const MetadataCursor *have, MetadataSync *ret);
/* The same after a change, which is all there is to say when the caller's view was up to date. */
enum err sync_after(struct rpc *rpc, uint64_t account, uint64_t mailbox, const MetadataCursor *have, const struct effects *effects,
    MetadataSync **ret);

/* mail.c: columns of new mails. ERR_INVALID: a reference is missing, a prefix or a flag is none. */
enum err mail_check(const MetadataMail *mail, struct str prefix, uint32_t flags, ProtobufCBinaryData *const keywords, size_t keyword_count);
/* A word of small letters, at most 32. */
bool word_is_kind(struct str word);
/* ERR_INVALID: its kind is none, its key is missing or too long. */
enum err mark_check(const MetadataMark *mark);
/* A date now, offset 0, as in MetadataRows. */
int64_t date_now(void);
enum { FLAGS_ALL = 31, KEYWORDS_MAX = 64, PREFIX_MAX = 4096 };
/* The attributes that are a special use. */
enum {
	SPECIAL_USES = METADATA_ATTRIBUTE__METADATA_ARCHIVE | METADATA_ATTRIBUTE__METADATA_DRAFTS | METADATA_ATTRIBUTE__METADATA_JUNK |
	    METADATA_ATTRIBUTE__METADATA_SENT | METADATA_ATTRIBUTE__METADATA_TRASH,
};

/* filtered.c: a recipient of Deliver whose actions are more than mailboxes by name. */
enum { ACTIONS_MAX = 64, MAIL_ADDRESS_MAX = 1000, MESSAGE_ID_MAX = 1000 };
enum err delivery_action_check(const MetadataAction *action);
bool delivery_is_filtered(const MetadataDeliverRequest__Recipient *to);
/* Locks other things than mailboxes by name. */
bool delivery_is_alone(const MetadataDeliverRequest__Recipient *to);
/* From the mails on. */
void delivery_filtered_args(struct pg_args *args, const MetadataDeliverRequest *req, const MetadataDeliverRequest__Recipient *to);

#endif

/* Requests of Deliver, action by action. */
#include "tests/services/metadata/filtered.h"

MetadataDeliverRequest *
filtered(uint64_t account)
{
	MetadataDeliverRequest *req = ARENA_NEW(&world.arena, MetadataDeliverRequest);
	MetadataDeliverRequest__Recipient *to = ARENA_NEW(&world.arena, MetadataDeliverRequest__Recipient);

	metadata_deliver_request__init(req);
	metadata_deliver_request__recipient__init(to);
	to->account = account;
	to->prefix = BIN("Return-Path: <>\r\n");
	to->action = ARENA_ARRAY(&world.arena, MetadataAction *, 64);
	req->mail = make_mail(100);
	req->n_recipient = 1;
	req->recipient = ARENA_ARRAY(&world.arena, MetadataDeliverRequest__Recipient *, 1);
	req->recipient[0] = to;
	return req;
}

MetadataAction *
act(MetadataDeliverRequest *req)
{
	MetadataAction *action = ARENA_NEW(&world.arena, MetadataAction);

	metadata_action__init(action);
	req->recipient[0]->action[req->recipient[0]->n_action++] = action;
	return action;
}

MetadataAction *
act_fileinto(MetadataDeliverRequest *req, const char *name)
{
	MetadataAction *action = act(req);

	action->fileinto = bin(name);
	return action;
}

MetadataAction *
act_send(MetadataDeliverRequest *req, const char *kind, const char *sender, const char *recipient)
{
	MetadataAction *action = act(req);

	action->send = ARENA_NEW(&world.arena, MetadataSend);
	metadata_send__init(action->send);
	action->send->kind = bin(kind);
	action->send->sender = bin(sender);
	action->send->recipient = bin(recipient);
	action->send->message_id = BIN("<one@example.org>");
	action->send->prefix = BIN("Delivered-To: me@example.org\r\n");
	return action;
}

MetadataMark *
claim(MetadataAction *action, const char *kind, const char *key, int mode)
{
	action->claim = ARENA_NEW(&world.arena, MetadataMark);
	metadata_mark__init(action->claim);
	action->claim->kind = bin(kind);
	action->claim->key = bin(key);
	action->claim->life_ms = 3600 * 1000;
	action->claim->mode = mode;
	return action->claim;
}

MetadataDeliverReply__Result *
deliver_result(int i, const MetadataDeliverRequest *req)
{
	struct bus_call *call = as(i, BUS_ROLE_LMTP);
	MetadataDeliverReply *reply;
	enum err err = metadata_deliver(call, req, &reply);

	cr_assert_eq(err, ERR_OK, "%s: %.*s", err_row(err)->name, STR_ARG(call->detail));
	cr_assert_eq(reply->n_result, 1);
	return reply->result[0];
}

enum err
deliver_filtered(int i, const MetadataDeliverRequest *req)
{
	return deliver_result(i, req)->status;
}

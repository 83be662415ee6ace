/* What a script does: actions are built, changed by tags and extensions, checked against those before, and listed.      RFC 5228 s. 2.10 */
#include "services/sieve/run.h"

struct sieve_action
sieve_action_new(struct sieve_run *run, const struct sieve_node *node, enum sieve_action_kind kind)
{
	struct sieve_action action = { .kind = kind, .line = node != NULL ? node->line : 0, .script = run->frame->name };
	bool is_mail = kind == SIEVE_KEEP || kind == SIEVE_FILEINTO || kind == SIEVE_REDIRECT;

	if (is_mail && run->message.is_changed)
		action.header = run->message.header;
	return action;
}

const struct sieve_action *
sieve_actions(const struct sieve_run *run, size_t *ret_count)
{
	*ret_count = run->action_count;
	return run->actions;
}

/* ---- two of the same */

static bool
is_into_inbox(const struct sieve_action *action)
{
	return action->kind == SIEVE_KEEP || (action->kind == SIEVE_FILEINTO && str_equal(action->mailbox, STR("INBOX")) &&
	    action->special_use.len == 0 && action->mailbox_id.len == 0);
}

static bool
is_same_target(const struct sieve_action *a, const struct sieve_action *b)
{
	if (a->message.ptr != NULL || b->message.ptr != NULL)
		return false;
	if (is_into_inbox(a) || is_into_inbox(b))
		return is_into_inbox(a) && is_into_inbox(b);
	return str_equal(a->mailbox, b->mailbox) && str_equal(a->special_use, b->special_use) && str_equal(a->mailbox_id, b->mailbox_id);
}

/* The local part is its owner's business, the domain is not (RFC 5321 s. 2.4). */
static bool
is_same_address(struct str a, struct str b)
{
	size_t at = str_rindex(a, '@');

	return a.len == b.len && str_equal_nocase(a, b) && str_equal(str_sub(a, 0, at), str_sub(b, 0, at));
}

static bool
is_filing(const struct sieve_action *action)
{
	return action->kind == SIEVE_KEEP || action->kind == SIEVE_FILEINTO;
}

/* RFC 5228 s. 2.10.3: a message goes into a mailbox once, and to an address once. */
static bool
is_same(const struct sieve_action *a, const struct sieve_action *b)
{
	if (is_filing(a) && is_filing(b))
		return is_same_target(a, b);
	if (a->kind != b->kind)
		return false;
	switch (a->kind) {
	case SIEVE_REDIRECT:
		return is_same_address(a->address, b->address);
	case SIEVE_DISCARD:
		return true;
	case SIEVE_MARK:
		return str_equal(a->mark.kind, b->mark.kind) && str_equal(a->mark.key, b->mark.key);
	default:
		return false;
	}
}

static struct sieve_action *
find_same(struct sieve_run *run, const struct sieve_action *action)
{
	for (size_t i = 0; i < run->action_count; i++)
		if (is_same(&run->actions[i], action))
			return &run->actions[i];
	return NULL;
}

/* ---- what does not go together */

static bool
is_refusal(const struct sieve_action *action)
{
	return action->kind == SIEVE_REFUSE || (action->kind == SIEVE_SEND && action->send == SIEVE_SEND_REJECT);
}

/* Would a sender who is told that the mail was refused be told wrong? A copy that an archive keeps may stay (RFC 5429 s. 2.4). */
static bool
is_against_refusal(const struct sieve_action *action)
{
	bool is_delivery = (is_filing(action) && action->message.ptr == NULL) || action->kind == SIEVE_REDIRECT;

	return is_refusal(action) || (is_delivery && !action->is_copy) || (action->kind == SIEVE_SEND && action->send == SIEVE_SEND_VACATION);
}

static bool
is_vacation(const struct sieve_action *action)
{
	return action->kind == SIEVE_SEND && action->send == SIEVE_SEND_VACATION;
}

static enum err
check_conflict(struct sieve_run *run, const struct sieve_node *node, const struct sieve_action *action, const struct sieve_action *other)
{
	if (is_refusal(action) && is_refusal(other))
		return sieve_fail(run, node, "'reject' or 'ereject' can be done only once for a mail (it was in line %u)", (unsigned)other->line);
	if ((is_refusal(action) && is_against_refusal(other)) || (is_refusal(other) && is_against_refusal(action)))
		return sieve_fail(run, node, "'reject' and 'ereject' do not go with what delivers or answers the mail (see line %u)",
		    (unsigned)other->line);
	if (is_vacation(action) && is_vacation(other))
		return sieve_fail(run, node, "only one vacation reply is sent for a mail (the first is in line %u)", (unsigned)other->line);
	return ERR_OK;
}

static enum err
check_conflicts(struct sieve_run *run, const struct sieve_node *node, const struct sieve_action *action)
{
	for (size_t i = 0; i < run->action_count; i++)
		TRY(check_conflict(run, node, action, &run->actions[i]));
	return ERR_OK;
}

static enum err
check_counts(struct sieve_run *run, const struct sieve_node *node, const struct sieve_action *action)
{
	const struct sieve_limits *limits = run->limits;

	if (limits->actions > 0 && run->action_count >= limits->actions)
		return sieve_fail(run, node, "more than %llu actions for one mail", (unsigned long long)limits->actions);
	if (action->kind == SIEVE_REDIRECT && limits->redirects > 0 && run->redirects >= limits->redirects)
		return sieve_fail(run, node, "more than %llu redirects for one mail", (unsigned long long)limits->redirects);
	return ERR_OK;
}

/* ---- doing */

static enum err
apply_tags(struct sieve_run *run, const struct sieve_node *node, struct sieve_action *action)
{
	bool is_reply = action->kind == SIEVE_SEND;

	for (size_t i = 0; node != NULL && i < node->tag_count; i++) {
		const struct sieve_tag_use *use = &node->tags[i];

		/* Beside :fcc an option is of the copy, and of nothing else. */
		if (use->row->apply != NULL && !(is_reply && use->row->is_fcc_option))
			TRY(use->row->apply(run, node, &use->value, action));
	}
	return ERR_OK;
}

static enum err
apply_extensions(struct sieve_run *run, const struct sieve_node *node, struct sieve_action *action)
{
	for (size_t i = 0; sieve_extensions[i] != NULL; i++)
		if ((run->frame->enabled >> i & 1) && sieve_extensions[i]->apply != NULL)
			TRY(sieve_extensions[i]->apply(run, node, action));
	return ERR_OK;
}

static enum err
call_done(struct sieve_run *run, const struct sieve_node *node, const struct sieve_action *action)
{
	for (size_t i = 0; sieve_extensions[i] != NULL; i++)
		if ((run->frame->enabled >> i & 1) && sieve_extensions[i]->done != NULL)
			TRY(sieve_extensions[i]->done(run, node, action));
	return ERR_OK;
}

static void
note_keep(struct sieve_run *run, const struct sieve_action *action)
{
	bool cancels = is_filing(action) || action->kind == SIEVE_REDIRECT || action->kind == SIEVE_DISCARD || is_refusal(action);

	if (action->kind == SIEVE_KEEP && action->line > 0)
		run->is_kept = true;
	if (cancels && !action->is_copy && action->message.ptr == NULL)
		run->is_keep_cancelled = true;
	if (is_refusal(action))
		run->is_keep_cancelled = true;
}

/* It is done once, in the first one's place. RFC 5232 s. 3: the last list of flags wins. */
static void
merge(struct sieve_action *same, const struct sieve_action *action)
{
	same->create |= action->create;
	same->is_copy &= action->is_copy;
	if (action->has_flags) {
		same->flags = action->flags;
		same->flag_count = action->flag_count;
		same->has_flags = true;
	}
}

enum err
sieve_do(struct sieve_run *run, const struct sieve_node *node, struct sieve_action *action)
{
	struct sieve_action *same;

	TRY(apply_tags(run, node, action));
	TRY(apply_extensions(run, node, action));
	note_keep(run, action);
	same = find_same(run, action);
	if (same != NULL) {
		merge(same, action);
		return ERR_OK;
	}
	TRY(check_conflicts(run, node, action));
	TRY(check_counts(run, node, action));
	run->actions = sieve_grow(run->arena, run->actions, run->action_count, &run->action_room, sizeof(*run->actions));
	run->actions[run->action_count++] = *action;
	run->redirects += action->kind == SIEVE_REDIRECT;
	return call_done(run, node, action);
}

enum err
sieve_keep_implicitly(struct sieve_run *run)
{
	struct sieve_action keep;

	if (run->is_keep_cancelled)
		return ERR_OK;
	keep = sieve_action_new(run, NULL, SIEVE_KEEP);
	return sieve_do(run, NULL, &keep);
}

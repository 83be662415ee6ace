/* Results as text, for people and for tests: a line each. */
#include "libcommon/core/buffer.h"
#include "services/sieve/sieve.h"

static void
print_quoted(struct str text, struct buffer *out)
{
	buffer_add_byte(out, '"');
	for (size_t i = 0; i < text.len; i++) {
		unsigned char c = (unsigned char)text.ptr[i];

		if (c == '"' || c == '\\')
			buffer_printf(out, "\\%c", c);
		else if (c == '\r' || c == '\n')
			buffer_add(out, c == '\r' ? STR("\\r") : STR("\\n"));
		else if (c < 0x20 || c == 0x7f)
			buffer_printf(out, "\\x%02x", c);
		else
			buffer_add_byte(out, (char)c);
	}
	buffer_add_byte(out, '"');
}

static void
print_named(const char *name, struct str text, struct buffer *out)
{
	if (text.len == 0)
		return;
	buffer_printf(out, " %s=", name);
	print_quoted(text, out);
}

static void
print_flags(const struct sieve_action *action, struct buffer *out)
{
	struct buffer flags = { 0 };

	for (size_t i = 0; i < action->flag_count; i++) {
		buffer_add(&flags, i > 0 ? STR(" ") : STR(""));
		buffer_add(&flags, action->flags[i]);
	}
	print_named("flags", buffer_str(&flags), out);
	buffer_clear(&flags);
}

static void
print_mark(const struct sieve_mark *mark, struct buffer *out)
{
	buffer_printf(out, " mark=%.*s:%llu", STR_ARG(mark->kind), (unsigned long long)mark->lifetime_s);
}

static const char *const action_names[] = {
	[SIEVE_KEEP] = "keep",
	[SIEVE_FILEINTO] = "fileinto",
	[SIEVE_REDIRECT] = "redirect",
	[SIEVE_SEND] = "send",
	[SIEVE_REFUSE] = "refuse",
	[SIEVE_DISCARD] = "discard",
	[SIEVE_MARK] = "mark",
};

static const char *const send_names[] = {
	[SIEVE_SEND_VACATION] = "vacation",
	[SIEVE_SEND_REJECT] = "reject",
	[SIEVE_SEND_NOTIFY] = "notify",
};

/* What follows the action's name: where to. */
static void
print_target(const struct sieve_action *action, struct buffer *out)
{
	switch (action->kind) {
	case SIEVE_SEND:
		buffer_printf(out, " %s", send_names[action->send]);
		break;
	case SIEVE_FILEINTO:
	case SIEVE_REDIRECT:
	case SIEVE_REFUSE:
		break;
	case SIEVE_KEEP:
		buffer_add(out, action->line == 0 ? STR(" implicit") : STR(""));
		return;
	case SIEVE_MARK:
		buffer_printf(out, " %.*s %llu%s", STR_ARG(action->mark.kind), (unsigned long long)action->mark.lifetime_s,
		    action->mark.is_last ? " last" : "");
		return;
	case SIEVE_DISCARD:
		return;
	}
	buffer_add_byte(out, ' ');
	print_quoted(action->kind == SIEVE_FILEINTO ? action->mailbox : action->kind == SIEVE_REFUSE ? action->text : action->address, out);
}

static void
print_action(const struct sieve_action *action, struct buffer *out)
{
	buffer_add(out, str_c(action_names[action->kind]));
	print_target(action, out);
	print_named("specialuse", action->special_use, out);
	print_named("mailboxid", action->mailbox_id, out);
	print_flags(action, out);
	if (action->kind == SIEVE_SEND && action->mark.kind.len > 0)
		print_mark(&action->mark, out);
	buffer_add(out, action->create ? STR(" create") : STR(""));
	buffer_add(out, action->is_copy ? STR(" copy") : STR(""));
	buffer_add(out, action->kind == SIEVE_FILEINTO && action->message.ptr != NULL ? STR(" message") : STR(""));
	buffer_add_byte(out, '\n');
}

static const char *const need_names[] = {
	[SIEVE_NEED_MAILBOX] = "mailbox",
	[SIEVE_NEED_SPECIAL_USE] = "specialuse",
	[SIEVE_NEED_MAILBOX_ID] = "mailboxid",
	[SIEVE_NEED_INCLUDE_PERSONAL] = "include personal",
	[SIEVE_NEED_INCLUDE_GLOBAL] = "include global",
	[SIEVE_NEED_MARK] = "mark",
	[SIEVE_NEED_BODY] = "body",
	[SIEVE_NEED_SOURCE] = "source",
};

static void
print_need(const struct sieve_need *need, struct buffer *out)
{
	buffer_printf(out, "need %s", need_names[need->kind]);
	if (need->kind != SIEVE_NEED_MARK && need->kind != SIEVE_NEED_BODY) {
		buffer_add_byte(out, ' ');
		print_quoted(need->name, out);
	}
	print_named("scope", need->scope, out);
	buffer_add_byte(out, '\n');
}

void
sieve_print_result(const struct sieve_result *result, struct buffer *out)
{
	if (result->outcome == SIEVE_FAILED) {
		buffer_printf(out, "failed %.*s:%u ", STR_ARG(result->failure.script), (unsigned)result->failure.line);
		print_quoted(result->failure.text, out);
		buffer_add_byte(out, '\n');
	}
	for (size_t i = 0; i < result->need_count; i++)
		print_need(&result->needs[i], out);
	for (size_t i = 0; i < result->action_count; i++)
		print_action(&result->actions[i], out);
}

void
sieve_print_trace(const struct sieve_result *result, struct buffer *out)
{
	for (size_t i = 0; i < result->trace_count; i++) {
		const struct sieve_trace *entry = &result->trace[i];

		buffer_printf(out, "%.*s:%u: %*s%.*s", STR_ARG(entry->script), (unsigned)entry->line, (int)entry->depth * 2, "",
		    STR_ARG(entry->name));
		if (entry->is_test)
			buffer_add(out, entry->is_true ? STR(" is true") : STR(" is false"));
		if (entry->text.len > 0)
			buffer_printf(out, " (%.*s)", STR_ARG(entry->text));
		buffer_add_byte(out, '\n');
	}
}

void
sieve_print_problems(const struct sieve_problems *problems, struct buffer *out)
{
	for (size_t i = 0; i < problems->count; i++) {
		const struct sieve_problem *problem = &problems->items[i];

		buffer_printf(out, "%u:%u: %s: %.*s\n", (unsigned)problem->line, (unsigned)problem->column,
		    problem->is_warning ? "warning" : "error", STR_ARG(problem->text));
	}
}

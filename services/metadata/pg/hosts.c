/* database.host: one place or several, "db1,db2:5433,[::1]:5432,/run/postgresql". */
#include "services/metadata/pg/internal.h"

size_t
pg_host_count(const struct config *config)
{
	struct str rest = config->database_host, part;
	size_t count = 0;

	while (str_split(&rest, ',', &part))
		count++;
	return count > 0 ? count : 1;
}

/* "host:port" and "[v6]:port" have a port of their own; a bare IPv6 address has more than one colon. */
static void
split_port(struct str part, struct str *ret_host, struct str *ret_port)
{
	size_t colon = str_rindex(part, ':');
	bool is_bracketed = str_starts_with(part, STR("[")) && (str_ends_with(part, STR("]")) || str_find(part, STR("]:")) < part.len);

	if (colon < part.len && !str_starts_with(part, STR("/")) &&
	    (is_bracketed ? !str_ends_with(part, STR("]")) : str_index(part, ':') == colon)) {
		*ret_port = str_sub(part, colon + 1, SIZE_MAX);
		part = str_sub(part, 0, colon);
	}
	*ret_host = is_bracketed ? str_sub(part, 1, part.len - 2) : part;
}

struct pg_host
pg_host_at(const struct config *config, size_t place, struct arena *arena)
{
	struct str rest = config->database_host, part = STR_NONE, host, port = STR_NONE;

	for (size_t i = 0; i <= place && str_split(&rest, ',', &part); i++)
		continue;
	split_port(str_trim(part), &host, &port);
	if (port.len == 0)
		port = arena_printf(arena, "%lld", (long long)config->database_port);
	return (struct pg_host){ arena_cstr(arena, host), arena_cstr(arena, port) };
}

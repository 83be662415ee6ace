/* The way to the metadata service: a running one, or one of our own for this command. */
#include "admin/connect.h"

#include <stdio.h>

#include "libcommon/core/clock.h"
#include "proto/metadata.client.h"
#include "services/metadata/service.h"

enum { ALL_IN_ONE_MS = 2000 }; /* so long the all-in-one may take to answer that it is there */

enum err
admin_explain(struct admin *admin, enum err err, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	admin->call.detail = arena_vprintf(&admin->arena, format, args);
	va_end(args);
	return err;
}

static enum err
load(struct admin *admin, const struct admin_line *line)
{
	struct buffer problems = { 0 };
	enum err err = config_load(line->values[ADMIN_OPT_CONFIG], admin_has(line, ADMIN_OPT(CHECK)), &admin->config, &problems);

	fprintf(stderr, "%.*s", STR_ARG(buffer_str(&problems)));
	buffer_clear(&problems);
	return err == ERR_OK ? ERR_OK : admin_explain(admin, ERR_CONFIG, "the configuration can not be read");
}

static enum err
override_database(struct admin *admin, const struct admin_line *line)
{
	struct config *config = admin->config;
	const struct {
		enum admin_option option;
		struct str *setting;
	} settings[] = {
		{ ADMIN_OPT_DBHOST, &config->database_host },
		{ ADMIN_OPT_DBUSER, &config->database_user },
		{ ADMIN_OPT_DBPASSWORD, &config->database_password },
		{ ADMIN_OPT_DBNAME, &config->database_name },
		{ ADMIN_OPT_DBTLS, &config->database_tls },
	};
	const char *port = line->values[ADMIN_OPT_DBPORT];
	uint32_t number;

	for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++)
		if (line->values[settings[i].option] != NULL)
			*settings[i].setting = str_c(line->values[settings[i].option]);
	if (port == NULL)
		return ERR_OK;
	if (!str_to_u32(str_c(port), &number) || number == 0 || number > UINT16_MAX)
		return admin_explain(admin, ERR_SYNTAX, "--dbport: a port is expected, not %s", port);
	config->database_port = number;
	return ERR_OK;
}

static void
set_url(struct admin *admin, struct str_list *setting, struct str url)
{
	setting->items = ARENA_NEW(&admin->config->arena, struct str);
	setting->items[0] = url;
	setting->count = 1;
}

static enum err
open_bus(struct admin *admin)
{
	struct buffer problems = { 0 };
	enum err err = bus_check(admin->config, bus_role_name(BUS_ROLE_ADMIN), &problems);

	if (err == ERR_OK && (admin->bus = bus_new(admin->config)) == NULL)
		err = ERR_CONFIG;
	if (err != ERR_OK)
		admin_explain(admin, err, "%.*s", STR_ARG(str_trim(buffer_str(&problems))));
	buffer_clear(&problems);
	TRY(err);
	admin->call = (struct bus_call){ .bus = admin->bus, .arena = &admin->arena, .role = BUS_ROLE_ADMIN,
		.log = { .service = "admin" } };
	return ERR_OK;
}

static void
close_bus(struct admin *admin)
{
	bus_free(admin->bus);
	admin->bus = NULL;
}

/* A metadata service in this process. It must not take the place of one that runs: no socket of its own. */
static enum err
run_own(struct admin *admin)
{
	struct config *config = admin->config;
	enum err err;

	set_url(admin, &config->bus_metadata, STR("inproc://metadata"));
	config->metadata_listen = config->bus_metadata;
	config->bus_blob = config->blob_listen = (struct str_list){ 0 };
	config->bus_sieve = config->sieve_listen = (struct str_list){ 0 };
	config->bus_admin = STR_NONE;
	config->database_connections = 2;
	TRY(open_bus(admin));
	admin->context = (struct service_context){ .config = config, .bus = admin->bus, .hostname = STR("localhost"),
		.is_all_in_one = true };
	err = metadata_service.start(&admin->context, &admin->own);
	if (err == ERR_OK)
		return ERR_OK;
	admin->own = NULL;
	return admin_explain(admin, ERR_UNAVAILABLE, "the database %.*s at %.*s can not be used", STR_ARG(config->database_name),
	    STR_ARG(config->database_host));
}

static enum err
ping(struct admin *admin, int64_t timeout_ms)
{
	MetadataEmpty request = METADATA_EMPTY__INIT;
	MetadataPingReply *reply;
	enum err err;

	admin->call.deadline_ms = timeout_ms ? clock_mono_ms() + timeout_ms : 0;
	err = metadata_ping(&admin->call, &request, &reply);
	admin->call.deadline_ms = 0;
	return err;
}

/* The service at `url` (STR_NONE: where the config says), if it answers in time. */
static enum err
use_running(struct admin *admin, struct str url, int64_t timeout_ms)
{
	struct str_list *where = &admin->config->bus_metadata;

	if (url.len > 0)
		set_url(admin, where, url);
	TRY(open_bus(admin));
	/* Why a peer is refused, or a name not resolved. */
	log_set_level(LOG_WARN);
	if (ping(admin, timeout_ms) == ERR_OK)
		return ERR_OK;
	log_set_level(LOG_ERROR);
	close_bus(admin);
	return admin_explain(admin, ERR_UNAVAILABLE, "nothing answers at %.*s", STR_ARG(where->items[0]));
}

/* "host:port" means tcp. */
static struct str
url_of(struct admin *admin, const char *address)
{
	return strstr(address, "://") ? str_c(address) : arena_printf(&admin->config->arena, "tcp://%s", address);
}

static bool
is_inproc(const struct str_list *urls)
{
	return urls->count == 0 || str_starts_with(urls->items[0], STR("inproc://"));
}

enum err
admin_connect(struct admin *admin, const struct admin_line *line)
{
	log_setup(LOG_ERROR, LOG_LOGFMT);
	TRY(load(admin, line));
	TRY(override_database(admin, line));
	if (admin_has(line, ADMIN_OPTS_DATABASE))
		return run_own(admin);
	if (admin_has(line, ADMIN_OPT(METADATA)))
		return use_running(admin, url_of(admin, line->values[ADMIN_OPT_METADATA]), 0);
	if (!is_inproc(&admin->config->bus_metadata))
		return use_running(admin, STR_NONE, 0);
	if (admin->config->bus_admin.len > 0 && use_running(admin, admin->config->bus_admin, ALL_IN_ONE_MS) == ERR_OK)
		return ERR_OK;
	return run_own(admin);
}

enum err
admin_look(struct admin *admin, const struct admin_line *line)
{
	struct config *config;

	log_setup(LOG_ERROR, LOG_LOGFMT);
	TRY(load(admin, line));
	config = admin->config;
	if (admin_has(line, ADMIN_OPTS_DATABASE))
		return admin_explain(admin, ERR_SYNTAX, "this looks at a Sora that runs, not at a database");
	if (admin_has(line, ADMIN_OPT(METADATA)))
		set_url(admin, &config->bus_metadata, url_of(admin, line->values[ADMIN_OPT_METADATA]));
	else if (is_inproc(&config->bus_metadata) && config->bus_admin.len == 0)
		return admin_explain(admin, ERR_UNAVAILABLE, "bus.admin is not set");
	else if (is_inproc(&config->bus_metadata))
		set_url(admin, &config->bus_metadata, config->bus_admin);
	if (admin_has(line, ADMIN_OPT(METADATA)) || is_inproc(&config->bus_blob))
		config->bus_blob.count = 0;
	if (admin_has(line, ADMIN_OPT(METADATA)) || is_inproc(&config->bus_sieve))
		config->bus_sieve.count = 0;
	open_bus(admin);
	return ERR_OK;
}

void
admin_disconnect(struct admin *admin)
{
	if (admin->own != NULL)
		metadata_service.stop(admin->own);
	bus_free(admin->bus);
	arena_clear(&admin->arena);
	config_free(admin->config);
}

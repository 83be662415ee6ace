/* Bringing the schema up, and knowing whether it is. */
#include "services/metadata/migrate.h"

#include "libcommon/core/clock.h"
#include "libcommon/core/log.h"
#include "services/metadata/pg/pg.h"

enum { LOCK_MS = 600 * 1000, STEP_MS = 3600 * 1000, ASK_MS = 10 * 1000 };

static const struct log migrate_log = { .service = "metadata" };

static const struct pg_statement table_statement = { "version_table", "SELECT to_regclass('schema_version') IS NOT NULL" };
static const struct pg_statement version_statement = { "version", "SELECT coalesce(max(number), 0) FROM schema_version" };
static const struct pg_statement lock_statement = { "migrate_lock", "SELECT pg_advisory_lock(7236542091)" };

static int
newest_step(void)
{
	int newest = 0;

	for (const struct schema_step *step = schema_steps; step->number > 0; step++)
		newest = step->number;
	return newest;
}

/* The number of the last step that was run; 0: an empty database. */
static enum err
read_version(struct pg *pg, struct arena *arena, int *ret, struct pg_failure *reterr)
{
	struct pg_args none = { .arena = arena };
	int64_t deadline_ms = clock_mono_ms() + ASK_MS;
	struct pg_rows rows;

	TRY(pg_run(pg, &table_statement, &none, deadline_ms, arena, &rows, reterr));
	if (pg_int(&rows, 0, 0) == 0) {
		*ret = 0;
		return ERR_OK;
	}
	TRY(pg_run(pg, &version_statement, &none, deadline_ms, arena, &rows, reterr));
	*ret = (int)pg_int(&rows, 0, 0);
	return ERR_OK;
}

static enum err
run_step(struct pg *pg, const struct schema_step *step, struct arena *arena, struct pg_failure *reterr)
{
	struct str sql = arena_printf(arena, "BEGIN; SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = 0; %s"
		"; INSERT INTO schema_version VALUES (%d, '%s'); COMMIT", step->sql, step->number, step->name);
	enum err err = pg_script(pg, sql.ptr, clock_mono_ms() + STEP_MS, arena, reterr);

	if (err == ERR_OK)
		log_info(&migrate_log, "schema.step", KV_INT("number", step->number), KV_C("name", step->name));
	return err;
}

static enum err
run_steps(struct pg *pg, struct arena *arena, struct pg_failure *reterr)
{
	static const char table[] = "CREATE TABLE IF NOT EXISTS schema_version (number integer PRIMARY KEY, name text NOT NULL,"
				    " at timestamptz NOT NULL DEFAULT now())";
	struct pg_args none = { .arena = arena };
	struct pg_rows rows;
	int version;

	TRY(pg_script(pg, "SET statement_timeout = 0; SET lock_timeout = 0", clock_mono_ms() + ASK_MS, arena, reterr));
	TRY(pg_run(pg, &lock_statement, &none, clock_mono_ms() + LOCK_MS, arena, &rows, reterr));
	TRY(pg_script(pg, table, clock_mono_ms() + ASK_MS, arena, reterr));
	TRY(read_version(pg, arena, &version, reterr));
	for (const struct schema_step *step = schema_steps; step->number > 0; step++)
		if (step->number > version)
			TRY(run_step(pg, step, arena, reterr));
	return ERR_OK;
}

enum err
migrate(const struct config *config)
{
	struct arena arena = { 0 };
	struct pg_failure failure = { .text = STR_NONE };
	struct pg *pg = NULL;
	enum err err = pg_open(config, &arena, &pg, &failure.text);

	if (err == ERR_OK)
		err = run_steps(pg, &arena, &failure);
	if (err != ERR_OK)
		log_error(&migrate_log, "schema.migrate", KV_ERR(err), KV_STR("detail", failure.text));
	pg_close(pg);
	arena_clear(&arena);
	return err;
}

int
migrate_verb(const struct config *config, int argc, char **argv)
{
	(void)argc;
	(void)argv;
	if (migrate(config) != ERR_OK)
		return 1;
	printf("the schema is at step %d\n", newest_step());
	return 0;
}

/* Services connect anew, and know the new timeline then. Not everyone may end the sessions of another role. */
static bool
end_sessions(struct pg *pg, struct arena *arena)
{
	struct pg_failure failure;

	return pg_script(pg, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database()"
		" AND application_name = 'sora-metadata' AND pid <> pg_backend_pid()", clock_mono_ms() + ASK_MS, arena, &failure) == ERR_OK;
}

int
new_timeline_verb(const struct config *config, int argc, char **argv)
{
	struct arena arena = { 0 };
	struct pg_failure failure = { .text = STR_NONE };
	struct pg *pg = NULL;
	enum err err = pg_open(config, &arena, &pg, &failure.text);

	(void)argc;
	(void)argv;
	if (err == ERR_OK)
		err = pg_script(pg, "UPDATE history SET epoch = epoch + 1", clock_mono_ms() + ASK_MS, &arena, &failure);
	if (err != ERR_OK)
		fprintf(stderr, "sora-metadata: %.*s\n", STR_ARG(failure.text));
	else if (end_sessions(pg, &arena))
		printf("a new timeline has begun: every metadata service connects anew\n");
	else
		printf("a new timeline has begun: restart every metadata service now\n");
	pg_close(pg);
	arena_clear(&arena);
	return err == ERR_OK ? 0 : 1;
}

/* ERR_OK: *ret_version is known; ERR_UNAVAILABLE: no answer, *reterr_text says why. */
static enum err
ask_version(const struct config *config, struct arena *arena, int *ret_version, struct str *reterr_text)
{
	struct pg_failure failure = { .text = STR_NONE };
	struct pg *pg = NULL;
	enum err err = pg_open(config, arena, &pg, reterr_text);

	if (err != ERR_OK)
		return err;
	err = read_version(pg, arena, ret_version, &failure);
	*reterr_text = failure.text;
	pg_close(pg);
	return err;
}

enum err
schema_ready(const struct config *config, bool may_migrate, bool is_quiet)
{
	struct arena arena = { 0 };
	struct str text = STR_NONE;
	int version = 0;
	enum err err = ask_version(config, &arena, &version, &text);

	if (err != ERR_OK) {
		if (!is_quiet)
			log_warn(&migrate_log, "schema.unknown", KV_ERR(err), KV_STR("detail", text));
		err = ERR_UNAVAILABLE;
	} else if (version == 0 && may_migrate) {
		err = migrate(config);
	} else if (version < newest_step()) {
		log_error(&migrate_log, "schema.old", KV_INT("step", version), KV_INT("needed", newest_step()),
		    KV_C("detail", "run `sora-metadata migrate`"));
		err = ERR_CONFIG;
	}
	arena_clear(&arena);
	return err;
}

enum err
schema_check(const struct service_context *context, struct buffer *problems)
{
	struct arena arena = { 0 };
	struct str text = STR_NONE;
	int version = 0;
	enum err err = ask_version(context->config, &arena, &version, &text);

	if (err != ERR_OK) {
		buffer_printf(problems, "database: %.*s\n", STR_ARG(text));
	} else if (version < newest_step() && !(version == 0 && context->is_all_in_one)) {
		buffer_printf(problems, "database: the schema is at step %d of %d: run `sora-metadata migrate`\n", version, newest_step());
		err = ERR_CONFIG;
	}
	arena_clear(&arena);
	return err;
}

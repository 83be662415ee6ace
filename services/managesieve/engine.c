/* What the Sieve service can do, as it last said. */
#include "services/managesieve/engine.h"

#include "libcommon/core/clock.h"
#include "libcommon/core/mem.h"
#include "proto/sieve.client.h"
#include "services/managesieve/wire.h"

enum { KEEP_MS = 60000, ASK_MS = 3000 };

void
managesieve_engine_init(struct managesieve_engine *engine)
{
	pthread_mutex_init(&engine->mutex, NULL);
}

void
managesieve_engine_clear(struct managesieve_engine *engine)
{
	managesieve_abilities_unref(engine->latest);
	pthread_mutex_destroy(&engine->mutex);
}

static struct managesieve_abilities *
abilities_ref(struct managesieve_abilities *abilities)
{
	if (abilities != NULL)
		abilities->refs++;
	return abilities;
}

void
managesieve_abilities_unref(struct managesieve_abilities *abilities)
{
	if (abilities == NULL || --abilities->refs > 0)
		return;
	arena_clear(&abilities->arena);
	free(abilities);
}

static struct managesieve_abilities *
abilities_new(const SieveCapabilitiesReply *reply)
{
	struct managesieve_abilities *abilities = MEM_NEW(struct managesieve_abilities);
	struct buffer names = { 0 };

	abilities->refs = 1;
	for (size_t i = 0; i < reply->n_extension; i++) {
		struct str name = wire_str(reply->extension[i]);

		buffer_printf(&names, "%s%.*s", i > 0 ? " " : "", STR_ARG(name));
		abilities->has_notify |= str_equal(name, STR("enotify"));
	}
	abilities->extensions = arena_copy(&abilities->arena, buffer_str(&names));
	abilities->redirects = arena_printf(&abilities->arena, "%u", reply->redirects);
	buffer_clear(&names);
	return abilities;
}

static enum err
ask(struct bus_call *call, struct managesieve_abilities **ret)
{
	SieveEmpty request = SIEVE_EMPTY__INIT;
	SieveCapabilitiesReply *reply;

	call->deadline_ms = clock_mono_ms() + ASK_MS;
	TRY(sieve_capabilities(call, &request, &reply));
	*ret = abilities_new(reply);
	return ERR_OK;
}

/* With the mutex: what is known, if it needs no asking. One session asks at a time where something is known. */
static struct managesieve_abilities *
recall(struct managesieve_engine *engine)
{
	int64_t now = clock_mono_ms();

	if (engine->latest == NULL)
		return NULL;
	if (now - engine->asked_ms < KEEP_MS)
		return abilities_ref(engine->latest);
	engine->asked_ms = now;
	return NULL;
}

/* With the mutex. */
static void
remember(struct managesieve_engine *engine, struct managesieve_abilities *abilities)
{
	managesieve_abilities_unref(engine->latest);
	engine->latest = abilities;
	engine->asked_ms = clock_mono_ms();
}

enum err
managesieve_abilities_get(struct managesieve_engine *engine, struct bus_call *call, struct managesieve_abilities **ret)
{
	struct managesieve_abilities *fresh = NULL;
	enum err err;

	pthread_mutex_lock(&engine->mutex);
	*ret = recall(engine);
	pthread_mutex_unlock(&engine->mutex);
	if (*ret != NULL)
		return ERR_OK;
	err = ask(call, &fresh);
	pthread_mutex_lock(&engine->mutex);
	if (err == ERR_OK)
		remember(engine, fresh);
	*ret = abilities_ref(engine->latest);
	pthread_mutex_unlock(&engine->mutex);
	return *ret != NULL ? ERR_OK : err;
}

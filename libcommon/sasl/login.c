/* A backend of SASL's: the metadata service. */
#include "libcommon/sasl/login.h"

enum { LOGINS_MAX = 3 };

static ProtobufCBinaryData
bytes(struct str s)
{
	return (ProtobufCBinaryData){ .len = s.len, .data = (uint8_t *)s.ptr };
}

static struct str
str_of(ProtobufCBinaryData data)
{
	return str_from(data.data, data.len);
}

/* All logins of a user go to one replica, which counts those that fail. */
static enum err
ask(struct sasl_login *login, struct str user, MetadataLoginRequest *request)
{
	request->user = bytes(user);
	request->service = bytes(str_c(login->service));
	request->peer = bytes(net_peer(login->conn));
	login->call->route = str_hash(user);
	return metadata_login(login->call, request, &login->reply);
}

static enum err
check_password(void *context, struct str user, struct str password)
{
	MetadataLoginRequest request = METADATA_LOGIN_REQUEST__INIT;

	request.password = bytes(password);
	return ask(context, user, &request);
}

/* A replica of the release before knows no BeginLogin: in the middle of an upgrade SCRAM is a matter of trying later. */
static enum err
get_salt(void *context, struct str hash, struct str user, struct sasl_salt *ret)
{
	struct sasl_login *login = context;
	MetadataBeginLoginRequest request = METADATA_BEGIN_LOGIN_REQUEST__INIT;
	MetadataBeginLoginReply *reply;
	enum err err;

	request.user = bytes(user);
	request.hash = bytes(hash);
	login->call->route = str_hash(user);
	err = metadata_begin_login(login->call, &request, &reply);
	if (err != ERR_OK)
		return err == ERR_NOT_SUPPORTED ? ERR_UNAVAILABLE : err;
	*ret = (struct sasl_salt){ str_of(reply->salt), reply->iterations };
	return ERR_OK;
}

static enum err
check_proof(void *context, const struct sasl_proof *proof, struct str *ret_signature)
{
	struct sasl_login *login = context;
	MetadataLoginRequest request = METADATA_LOGIN_REQUEST__INIT;
	MetadataLoginRequest__Scram scram = METADATA_LOGIN_REQUEST__SCRAM__INIT;

	scram.hash = bytes(proof->hash);
	scram.message = bytes(proof->message);
	scram.proof = bytes(proof->proof);
	request.scram = &scram;
	TRY(ask(login, proof->user, &request));
	*ret_signature = str_of(login->reply->signature);
	return ERR_OK;
}

static bool
take_binding(void *context, struct str *ret)
{
	struct sasl_login *login = context;
	uint8_t binding[NET_BINDING_BYTES];

	if (!net_take_binding(login->conn, binding))
		return false;
	*ret = arena_copy(login->call->arena, str_from(binding, sizeof(binding)));
	return true;
}

struct sasl_login *
sasl_login_new(struct net_conn *conn, struct bus_call *call, const char *service)
{
	struct sasl_login *login = ARENA_NEW(call->arena, struct sasl_login);

	login->conn = conn;
	login->call = call;
	login->service = service;
	return login;
}

enum err
sasl_login_password(struct sasl_login *login, struct str user, struct str password)
{
	struct arena *arena = login->call->arena;
	struct str name, secret;

	if (user.len > SASL_NAME_MAX || password.len > SASL_PASSWORD_MAX || sasl_prep(user, arena, &name) != ERR_OK ||
	    sasl_prep(password, arena, &secret) != ERR_OK)
		return ERR_AUTH_FAILED;
	return check_password(login, name, secret);
}

struct sasl *
sasl_login_begin(struct sasl_login *login, const struct sasl_mechanism *mechanism, bool has_final_data)
{
	login->backend = (struct sasl_backend){ .context = login, .password = check_password, .salt = get_salt, .proof = check_proof,
		.binding = take_binding, .can_bind = net_can_bind(login->conn), .has_final_data = has_final_data };
	return sasl_new(mechanism, &login->backend, login->call->arena);
}

bool
sasl_login_again(struct net_conn *conn, enum err err, unsigned *failed)
{
	bool is_counted = !err_row(err)->is_retryable;

	*failed += is_counted;
	return !net_is_bound(conn) && (!is_counted || *failed < LOGINS_MAX);
}

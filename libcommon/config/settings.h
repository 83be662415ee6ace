/*
 * Every setting there is: a row each. The example file and the documentation are printed from these rows.
 *
 *	X(type, field of struct config, path in the file, default as written in the file, help)
 *
 * Types: STR; BOOL (true, false); INT (1 to a million); THREADS (1 to 1000), also of connections to a server; PORT; SIZE (bytes; K, M, G); TIME (milliseconds; ms, s, m, h, d); LIST of strings ("[a, b]").
 */
#ifndef SORA_CONFIG_SETTINGS_H
#define SORA_CONFIG_SETTINGS_H

#include "libcommon/core/str.h"

#define SETTING_TYPE_STR struct str
#define SETTING_TYPE_BOOL bool
#define SETTING_TYPE_INT int64_t
#define SETTING_TYPE_THREADS int64_t
#define SETTING_TYPE_PORT int64_t
#define SETTING_TYPE_SIZE int64_t
#define SETTING_TYPE_TIME int64_t
#define SETTING_TYPE_LIST struct str_list

#define SETTINGS_TABLE(X)                                                                                              \
	/* ---- every process */                                                                                       \
	X(STR, log_level, "log.level", "info", "debug, info, warn or error")                                           \
	X(STR, log_format, "log.format", "logfmt", "logfmt or json")                                                   \
	X(STR, user, "user", "", "after the ports are bound, become this user; empty: stay who we are")                \
	X(STR, hostname, "hostname", "", "how we call ourselves in greetings and trace fields; empty: the host's name") \
	X(TIME, drain_time, "drain.time", "10s", "on SIGTERM, goodbyes are spread over so long")                       \
	X(TIME, drain_linger, "drain.linger", "15s",                                                                   \
	    "a service that drains answers GOING_AWAY for so long, to callers whose DNS is old")                       \
	X(LIST, ops_listen, "ops.listen", "[127.0.0.1:9101]", "metrics and probes by HTTP: /metrics /livez /readyz")   \
	/* ---- for clients */                                                                                         \
	X(STR, tls_certificate, "tls.certificate", "", "PEM file with the certificate and its chain; empty: no TLS")   \
	X(STR, tls_key, "tls.key", "", "PEM file with its private key")                                                \
	/* ---- where the services are */                                                                              \
	X(LIST, bus_metadata, "bus.metadata", "[inproc://metadata]",                                                   \
	    "the metadata service's replicas; a name that resolves to many addresses is many")                         \
	X(LIST, bus_blob, "bus.blob", "[inproc://blob]", "the blob service's replicas")                                \
	X(LIST, bus_sieve, "bus.sieve", "[inproc://sieve]", "the Sieve service's replicas")                            \
	X(STR, bus_admin, "bus.admin", "", "the all-in-one also answers sora-admin here: ipc:///path, mode 0600")      \
	X(BOOL, bus_insecure, "bus.insecure", "false", "allow tcp:// on other addresses than loopback")                \
	X(STR, bus_tls_certificate, "bus.tls.certificate", "",                                                         \
	    "for tls+tcp://: PEM file of this process's certificate, whose names say its roles (imap.sora, metadata.sora)") \
	X(STR, bus_tls_key, "bus.tls.key", "", "PEM file with its private key")                                        \
	X(STR, bus_tls_ca, "bus.tls.ca", "", "PEM file with the authority of the bus; nobody else's certificates count") \
	/* ---- sora-metadata */                                                                                       \
	X(LIST, metadata_listen, "metadata.listen", "[inproc://metadata]", "where sora-metadata answers")              \
	X(THREADS, metadata_threads, "metadata.threads", "8", "threads that run calls")                                    \
	X(STR, database_host, "database.host", "/run/postgresql",                                                      \
	    "host name, or directory of the socket; a primary and its standbys: db1,db2:5433; the one that can be written to is used") \
	X(PORT, database_port, "database.port", "5432", "of hosts without one of their own")                                                           \
	X(STR, database_name, "database.name", "sora", "")                                                             \
	X(STR, database_user, "database.user", "sora", "")                                                             \
	X(STR, database_password, "database.password", "", "")                                                         \
	X(STR, database_tls, "database.tls", "prefer", "libpq's sslmode: disable, prefer, require, verify-full")       \
	X(THREADS, database_connections, "database.connections", "8", "for each metadata process; about four a core of PostgreSQL") \
	X(TIME, database_timeout, "database.timeout", "10s", "the longest that a statement may take; half of it for a lock")                  \
	X(STR, account_hash, "account.hash", "bcrypt", "for new passwords: bcrypt, ssha512 or sha512")                 \
	X(SIZE, account_quota, "account.quota", "0", "of a new account; 0: no limit")                                  \
	X(LIST, account_mailboxes, "account.mailboxes",                                                                \
	    "[Drafts \\Drafts, Sent \\Sent, Trash \\Trash, Junk \\Junk, Archive \\Archive]",                           \
	    "mailboxes of a new account beside INBOX, with their special use (RFC 6154)")                              \
	X(TIME, account_keep, "account.keep", "14d", "how long a deleted account can be restored")                     \
	X(STR, address_detail, "address.detail", "+", "what separates user from detail; empty: no details")            \
	X(TIME, expunge_keep, "expunge.keep", "14d", "how long expunged messages are kept")                            \
	X(TIME, journal_keep, "journal.keep", "30d", "how far back a client can catch up")                             \
	X(INT, sieve_scripts, "sieve.scripts", "100", "the most scripts of an account")                                \
	X(SIZE, sieve_script_size, "sieve.script_size", "64K", "the largest script")                                   \
	X(SIZE, sieve_total_size, "sieve.total_size", "1M", "all scripts of an account together")                      \
	X(LIST, sieve_before, "sieve.before", "[before]",                                                              \
	    "scripts of the library of all that run before everyone's own, in this order; those that are not there do not") \
	X(LIST, sieve_after, "sieve.after", "[after]", "likewise, after everyone's own")                               \
	X(LIST, token_keys, "token.keys", "[]",                                                                        \
	    "secrets of login tokens, the same for every metadata process; the first signs; none: a random one, for one process alone") \
	X(TIME, token_life, "token.life", "24h", "how long a login lasts")                                             \
	/* ---- sora-blob */                                                                                           \
	X(LIST, blob_listen, "blob.listen", "[inproc://blob]", "where sora-blob answers")                              \
	X(THREADS, blob_threads, "blob.threads", "16", "threads that run calls")                                           \
	X(STR, blob_store, "blob.store", "dir", "dir or s3")                                                           \
	X(STR, blob_dir, "blob.dir", "/var/lib/sora/blobs", "with blob.store: dir")                                    \
	X(TIME, blob_keep, "blob.keep", "30d", "how long a body stays after its last message is gone; longer than backups are kept, never less than 2h") \
	X(TIME, blob_sweep_age, "blob.sweep_age", "1d", "the sweep looks at objects older than this; not less than 2h in production") \
	X(LIST, blob_seal_keys, "blob.seal_keys", "[]",                                                                \
	    "seal bodies with AES-256-GCM: 64 hex digits each, best as ${file:/path}; the first writes, all read; none: not sealed") \
	X(STR, blob_cache_dir, "blob.cache.dir", "", "keep what was read and written lately in this directory, of this process alone; empty: do not") \
	X(SIZE, blob_cache_size, "blob.cache.size", "1G", "the most that is kept there")                               \
	X(STR, s3_endpoint, "blob.s3.endpoint", "", "https://s3.example.org or http://127.0.0.1:8070")                 \
	X(STR, s3_region, "blob.s3.region", "us-east-1", "")                                                           \
	X(STR, s3_bucket, "blob.s3.bucket", "sora", "it must exist: sora-blob create-bucket makes it")                 \
	X(STR, s3_prefix, "blob.s3.prefix", "", "before every object's name")                                          \
	X(BOOL, s3_path_style, "blob.s3.path_style", "true", "bucket in the path, not in the host's name")             \
	X(STR, s3_access_key, "blob.s3.access_key", "", "")                                                            \
	X(STR, s3_secret_key, "blob.s3.secret_key", "", "best as ${file:/path}")                                       \
	X(STR, s3_ca, "blob.s3.ca", "", "PEM file with the authorities to trust; empty: the system's")                 \
	X(SIZE, message_size, "message.size", "50M", "the largest mail that is taken")                                 \
	/* ---- sora-sieve; of a run means of all scripts of a recipient for one mail */                                \
	X(LIST, sieve_listen, "sieve.listen", "[inproc://sieve]", "where sora-sieve answers")                          \
	X(THREADS, sieve_threads, "sieve.threads", "8", "threads that run scripts")                                    \
	X(SIZE, sieve_cache, "sieve.cache", "32M", "memory for compiled scripts")                                      \
	X(INT, sieve_redirects, "sieve.redirects", "4", "the most addresses that a mail is sent on to")                \
	X(INT, sieve_actions, "sieve.actions", "32", "the most actions of a run")                                      \
	X(INT, sieve_steps, "sieve.steps", "1000000", "the most tests, commands and comparisons of a run")             \
	X(TIME, sieve_cpu_time, "sieve.cpu_time", "1s", "the most processor time of a run")                            \
	X(SIZE, sieve_memory, "sieve.memory", "32M", "the most memory of a run")                                       \
	X(INT, sieve_nesting, "sieve.nesting", "50", "blocks and tests one in the other; RFC 5228 asks for 15 at least") \
	X(INT, sieve_variables, "sieve.variables", "255", "the most variables of a script; RFC 5229 asks for 128 at least") \
	X(SIZE, sieve_variable_size, "sieve.variable_size", "16K", "the longest variable; RFC 5229 asks for 4000 characters at least") \
	X(INT, sieve_includes, "sieve.includes", "100", "the most scripts that a run includes")                        \
	X(INT, sieve_include_depth, "sieve.include_depth", "10", "scripts that include each other")                    \
	X(INT, sieve_regex_steps, "sieve.regex_steps", "100000", "the most that a regular expression may try on one text") \
	X(TIME, sieve_vacation_min, "sieve.vacation_min", "0s", "the least time between two replies to one sender; 0: what ':seconds' says") \
	X(TIME, sieve_vacation_default, "sieve.vacation_default", "7d", "the time, when the script does not say")      \
	X(TIME, sieve_vacation_max, "sieve.vacation_max", "30d", "the most; RFC 5230 asks for 7d at least")            \
	/* ---- sora-lmtp */                                                                                           \
	X(LIST, lmtp_listen, "lmtp.listen", "[127.0.0.1:24]", "")                                                      \
	X(INT, lmtp_recipients, "lmtp.recipients", "1000", "the most in one transaction")                              \
	X(TIME, lmtp_idle, "lmtp.idle", "5m", "a silent client is disconnected after this")                            \
	X(LIST, lmtp_xclient_from, "lmtp.xclient_from", "[]",                                                          \
	    "networks whose clients may say by XCLIENT and XFORWARD whom they have a mail from")                       \
	X(BOOL, lmtp_overquota_temporary, "lmtp.overquota_temporary", "false", "452 instead of 552 when over quota")   \
	/* ---- sora-imap */                                                                                           \
	X(LIST, imap_listen, "imap.listen", "[0.0.0.0:143]", "with STARTTLS")                                          \
	X(LIST, imap_tls_listen, "imap.tls_listen", "[0.0.0.0:993]", "implicit TLS; only with tls.certificate")        \
	X(BOOL, imap_plain_login, "imap.plain_login", "false", "allow passwords without TLS from other hosts than this one") \
	X(TIME, imap_idle, "imap.idle", "31m", "a silent client is disconnected after this; RFC 3501 asks for 30m at least") \
	X(SIZE, imap_literal, "imap.literal", "1M", "all literals of a command together, messages aside")              \
	X(SIZE, imap_line, "imap.line", "64K", "the longest command line")                                             \
	X(SIZE, imap_view_cache, "imap.view_cache", "64M", "memory for the flags of open mailboxes")                   \
	/* ---- sora-pop3 */                                                                                           \
	X(LIST, pop3_listen, "pop3.listen", "[0.0.0.0:110]", "with STLS")                                              \
	X(LIST, pop3_tls_listen, "pop3.tls_listen", "[0.0.0.0:995]", "implicit TLS; only with tls.certificate")        \
	X(BOOL, pop3_plain_login, "pop3.plain_login", "false", "allow passwords without TLS from other hosts than this one") \
	X(TIME, pop3_idle, "pop3.idle", "10m", "a silent client is disconnected after this; RFC 1939 asks for 10m at least") \
	X(LIST, pop3_xclient_from, "pop3.xclient_from", "[]", "networks of proxies that may say by XCLIENT who their client is") \
	X(STR, pop3_mailbox, "pop3.mailbox", "INBOX", "the mailbox that is the maildrop")                              \
	X(TIME, pop3_login_delay, "pop3.login_delay", "0s", "the least between two logins of an account (RFC 2449); 0: no limit") \
	/* ---- sora-managesieve */                                                                                    \
	X(LIST, managesieve_listen, "managesieve.listen", "[0.0.0.0:4190]", "with STARTTLS")                           \
	X(BOOL, managesieve_plain_login, "managesieve.plain_login", "false",                                           \
	    "allow passwords without TLS from other hosts than this one")                                              \
	X(TIME, managesieve_idle, "managesieve.idle", "31m",                                                           \
	    "a silent client is disconnected after this; RFC 5804 asks for 30m at least")                              \
	/* ---- every frontend */                                                                                      \
	X(INT, net_connections, "net.connections", "20000", "for each frontend process")                               \
	X(INT, net_per_address, "net.per_address", "1000", "")                                                         \
	X(INT, net_per_user, "net.per_user", "100", "")                                                                \
	X(THREADS, net_threads, "net.threads", "64", "the most that run sessions at once")                                 \
	X(TIME, net_login_time, "net.login_time", "60s", "until a client has logged in")                               \
	X(TIME, net_write_time, "net.write_time", "60s", "a client that in so long takes less than 64K of what waits for it is disconnected")    \
	X(LIST, net_proxy_from, "net.proxy_from", "[]", "networks whose PROXY protocol v2 header is expected and believed") \
	/* ---- sora-worker */                                                                                         \
	X(STR, smarthost_host, "smarthost.host", "",                                                                   \
	    "the server that redirects, vacation replies and other mail of ours are sent by; empty: they wait in the queue") \
	X(PORT, smarthost_port, "smarthost.port", "25", "587 with starttls and 465 with implicit are usual for submission") \
	X(STR, smarthost_tls, "smarthost.tls", "starttls", "none, starttls or implicit; its certificate is verified")   \
	X(STR, smarthost_ca, "smarthost.ca", "", "PEM file with the authorities to trust; empty: the system's")        \
	X(STR, smarthost_user, "smarthost.user", "", "for AUTH PLAIN or LOGIN; empty: do not log in")                  \
	X(STR, smarthost_password, "smarthost.password", "", "best as ${file:/path}")                                  \
	X(STR, smarthost_helo, "smarthost.helo", "", "how we call ourselves there; empty: hostname")                   \
	X(TIME, smarthost_timeout, "smarthost.timeout", "5m", "the longest wait for a reply; RFC 5321 asks for 5m at least") \
	X(THREADS, queue_connections, "queue.connections", "4", "to the smarthost at once, of each worker")            \
	X(TIME, queue_retry, "queue.retry", "5m", "until a mail that was put off is tried again; doubled each time")   \
	X(TIME, queue_retry_most, "queue.retry_most", "2h", "the longest between two attempts")                        \
	X(TIME, queue_expire, "queue.expire", "5d", "then a mail is given up and its sender told")                     \
	X(TIME, worker_sweep_every, "worker.sweep_every", "6h", "how often objects that nothing refers to are looked for") \
	X(TIME, worker_purge_every, "worker.purge_every", "10m", "how often expunged messages past their time are removed")

#endif

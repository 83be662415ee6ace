/*
 * embed_twice CONFIG RECIPIENT: start a mail store, deliver from four threads at once, fail to read a mail, stop; and all of it again.
 * Prints a line for each start: how many were delivered, the code of the mail that could not be read, and whether a signal that was sent
 * to the process meanwhile was taken by a thread of the program's own.
 */
#include <sora.h>

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { THREADS = 4, MAILS = 10 };

static struct sora *sora;
static const char *recipient;
static pthread_t program_thread;
static volatile sig_atomic_t signalled;

struct text {
	char bytes[256];
	size_t len, at;
	int is_broken;
};

static void
on_signal(int sig)
{
	(void)sig;
	signalled = pthread_equal(pthread_self(), program_thread) ? 1 : -1;
}

/* A byte at a time: pieces may be as small as they like. */
static ssize_t
read_text(void *self, char *to, size_t size)
{
	struct text *text = self;

	(void)size;
	if (text->at == text->len)
		return text->is_broken ? -1 : 0;
	*to = text->bytes[text->at++];
	return 1;
}

static int
deliver(const char *subject, int is_broken)
{
	struct text text = { .is_broken = is_broken };
	struct sora_mail mail = { .sender = "a@example.org", .recipients = &recipient, .recipient_count = 1, .client = "a test",
		.read = read_text, .self = &text };
	struct sora_result result;

	text.len = (size_t)snprintf(text.bytes, sizeof(text.bytes), "Subject: %s\r\n\r\nhello\r\n", subject);
	sora_deliver(sora, &mail, &result);
	return result.code;
}

static void *
deliver_some(void *arg)
{
	atomic_int *delivered = arg;

	for (int i = 0; i < MAILS; i++)
		if (deliver("good", 0) == 250)
			atomic_fetch_add(delivered, 1);
	return NULL;
}

static int
run(const struct sora_options *options)
{
	pthread_t threads[THREADS];
	atomic_int delivered = 0;
	sigset_t usr1, before;
	char *problems;

	if (sora_start(options, &sora, &problems) != 0) {
		fprintf(stderr, "%s", problems);
		free(problems);
		return 1;
	}
	/* While the program's own thread does not take it, nobody does. */
	signalled = 0;
	sigemptyset(&usr1);
	sigaddset(&usr1, SIGUSR1);
	pthread_sigmask(SIG_BLOCK, &usr1, &before);
	kill(getpid(), SIGUSR1);
	for (int i = 0; i < THREADS; i++)
		pthread_create(&threads[i], NULL, deliver_some, &delivered);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	printf("delivered %d, broken %d, signal %d\n", delivered, deliver("broken", 1), (int)signalled);
	sora_stop(sora);
	return 0;
}

int
main(int argc, char **argv)
{
	struct sigaction action = { .sa_handler = on_signal };
	struct sora_options options = { .config_file = argv[1] };

	if (argc != 3)
		return 2;
	recipient = argv[2];
	program_thread = pthread_self();
	sigaction(SIGUSR1, &action, NULL);
	return run(&options) || run(&options);
}

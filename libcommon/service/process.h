/*
 * The services of one process: started in their order, drained together, ended in the reverse of it. For service_main, and for those who
 * embed Sora (services/sora/sora.h). Signals, options and the reading of the configuration are the caller's.
 */
#ifndef SORA_SERVICE_PROCESS_H
#define SORA_SERVICE_PROCESS_H

#include "libcommon/service/service.h"

struct process;

/* Log as the configuration says; for the whole program, before anything is started. False: with a line in `problems`. */
bool process_setup_logs(const struct config *config, struct buffer *problems);

/*
 * Start all; what fails is logged, and those that were started are ended. `config` and `services` must outlive the process. Its threads
 * have the signal mask of the caller.
 */
enum err process_start(const struct config *config, const struct service *const *services, size_t count, struct process **ret_process);
/* What its services were started with. */
const struct service_context *process_context(const struct process *process);
/* Read certificates again. */
void process_reload(struct process *process);
/* Drain and end (NULL: nothing). */
void process_stop(struct process *process);

#endif

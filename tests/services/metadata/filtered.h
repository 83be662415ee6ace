/* What a script decided, as requests of Deliver; everything lives in the world's arena. */
#ifndef SORA_TESTS_METADATA_FILTERED_H
#define SORA_TESTS_METADATA_FILTERED_H

#include "tests/services/metadata/world.h"

/* A mail of 100 octets for one account, without an action. */
MetadataDeliverRequest *filtered(uint64_t account);
/* A further action; nothing is set in it. */
MetadataAction *act(MetadataDeliverRequest *req);
MetadataAction *act_fileinto(MetadataDeliverRequest *req, const char *name);
MetadataAction *act_send(MetadataDeliverRequest *req, const char *kind, const char *sender, const char *recipient);
MetadataMark *claim(MetadataAction *action, const char *kind, const char *key, int mode);
/* Through replica `i`, with a key of its own. The recipient's status. */
enum err deliver_filtered(int i, const MetadataDeliverRequest *req);
/* Its whole result. */
MetadataDeliverReply__Result *deliver_result(int i, const MetadataDeliverRequest *req);

#endif

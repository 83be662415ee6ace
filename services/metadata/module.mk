# The steps of the schema become a table of strings in the binary.
metadata_steps := $(sort $(wildcard services/metadata/schema/*.sql))
metadata_schema := $(GEN)/services/metadata/schema.c
GENERATED += $(metadata_schema)

$(metadata_schema): $(metadata_steps) services/metadata/module.mk
	@mkdir -p $(@D) && echo "gen schema"
	@{ echo '/* Made of services/metadata/schema: change that. */'; \
	   echo '#include "services/metadata/migrate.h"'; \
	   echo 'const struct schema_step schema_steps[] = {'; \
	   for f in $(metadata_steps); do n=$${f##*/}; n=$${n%.sql}; \
		printf '{ %d, "%s",\n' "$$(expr $${n%%-*} + 0)" "$${n#*-}"; \
		sed 's/\\/\\\\/g; s/"/\\"/g; s/^/"/; s/$$/\\n"/' $$f; echo '},'; done; \
	   echo '{ 0, NULL, NULL } };'; } > $@

$(eval $(call library,services/metadata,$(wildcard services/metadata/rpc/*.c services/metadata/pg/*.c) gen/services/metadata/schema.c))
$(eval $(call program,sora-metadata,services/metadata))

# What is in commands/ and ext/ is in the tables: a new command or extension edits no file.
imap_commands := $(sort $(basename $(notdir $(wildcard services/imap/commands/*.c))))
imap_extensions := $(sort $(notdir $(patsubst %/,%,$(dir $(wildcard services/imap/ext/*/*.c)))))
imap_tables := $(GEN)/services/imap/tables.c
GENERATED += $(imap_tables)

$(imap_tables): services/imap/tables.sh force
	@mkdir -p $(@D)
	@sh services/imap/tables.sh "$(imap_commands)" "$(imap_extensions)" > $@.new
	@if cmp -s $@.new $@; then rm $@.new; else mv $@.new $@; fi

$(eval $(call library,services/imap,$(wildcard services/imap/commands/*.c services/imap/ext/*/*.c) gen/services/imap/tables.c))
$(eval $(call program,sora-imap,services/imap))

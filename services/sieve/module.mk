# What is in ext/ is in the table: a new extension edits no file.
sieve_extensions := $(sort $(notdir $(patsubst %/,%,$(dir $(wildcard services/sieve/ext/*/*.c)))))
sieve_tables := $(GEN)/services/sieve/tables.c
GENERATED += $(sieve_tables)

$(sieve_tables): services/sieve/tables.sh force
	@mkdir -p $(@D)
	@sh services/sieve/tables.sh "$(sieve_extensions)" > $@.new
	@if cmp -s $@.new $@; then rm $@.new; else mv $@.new $@; fi

$(eval $(call library,services/sieve,$(wildcard services/sieve/base/*.c services/sieve/rpc/*.c services/sieve/ext/*/*.c) gen/services/sieve/tables.c))
$(eval $(call program,sora-sieve,services/sieve))
$(eval $(call program,sieve-run,services/sieve/run))

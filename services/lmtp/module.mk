# The table of commands is gathered from the names of files: commands/NAME.c has the row lmtp_command_NAME.
lmtp_commands := $(wildcard services/lmtp/commands/*.c)
lmtp_command_rows := $(patsubst services/lmtp/commands/%.c,X(%),$(lmtp_commands))

$(GEN)/services/lmtp/commands.h: force
	@mkdir -p $(@D) && echo '#define LMTP_COMMANDS(X) $(lmtp_command_rows)' > $@.new
	@cmp -s $@.new $@ && rm $@.new || mv $@.new $@
GENERATED += $(GEN)/services/lmtp/commands.h

$(eval $(call library,services/lmtp,$(lmtp_commands)))
$(eval $(call program,sora-lmtp,services/lmtp))

# The table of commands is gathered from the names of files: commands/NAME.c has the rows pop3_commands_NAME.
pop3_commands := $(sort $(wildcard services/pop3/commands/*.c))
pop3_command_rows := $(patsubst services/pop3/commands/%.c,X(%),$(pop3_commands))

$(GEN)/services/pop3/commands.h: force
	@mkdir -p $(@D) && echo '#define POP3_COMMANDS(X) $(pop3_command_rows)' > $@.new
	@cmp -s $@.new $@ && rm $@.new || mv $@.new $@
GENERATED += $(GEN)/services/pop3/commands.h

$(eval $(call library,services/pop3,$(pop3_commands)))
$(eval $(call program,sora-pop3,services/pop3))

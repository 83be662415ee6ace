# The table of commands is gathered from the names of files: commands/NAME.c has the rows managesieve_commands_NAME.
managesieve_commands := $(sort $(wildcard services/managesieve/commands/*.c))
managesieve_command_rows := $(patsubst services/managesieve/commands/%.c,X(%),$(managesieve_commands))

$(GEN)/services/managesieve/commands.h: force
	@mkdir -p $(@D) && echo '#define MANAGESIEVE_COMMANDS(X) $(managesieve_command_rows)' > $@.new
	@cmp -s $@.new $@ && rm $@.new || mv $@.new $@
GENERATED += $(GEN)/services/managesieve/commands.h

$(eval $(call library,services/managesieve,$(managesieve_commands)))
$(eval $(call program,sora-managesieve,services/managesieve))

# Print the tables of commands and extensions: tables.sh "COMMANDS" "EXTENSIONS", names of files and directories.
echo '/* Made by services/imap/tables.sh of the names in commands/ and ext/. */'
echo '#include "services/imap/command.h"'
echo
for name in $1; do echo "extern const struct imap_command_row imap_commands_$name[];"; done
for name in $2; do echo "extern const struct imap_extension imap_ext_$name;"; done
echo
echo 'const struct imap_command_row *const imap_command_tables[] = {'
for name in $1; do echo "	imap_commands_$name,"; done
echo '	NULL,'
echo '};'
echo
echo 'const struct imap_extension *const imap_extensions[] = {'
for name in $2; do echo "	&imap_ext_$name,"; done
echo '	NULL,'
echo '};'

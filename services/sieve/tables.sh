# Print the table of extensions: tables.sh "NAMES", the names of directories in ext/. The base language is the first.
echo '/* Made by services/sieve/tables.sh of the names in ext/. */'
echo '#include "services/sieve/script.h"'
echo
base="control tests actions match octet ascii_casemap"
for name in $base; do echo "extern const struct sieve_extension sieve_base_$name;"; done
for name in $1; do echo "extern const struct sieve_extension sieve_ext_$name;"; done
echo
echo 'const struct sieve_extension *const sieve_extensions[] = {'
for name in $base; do echo "	&sieve_base_$name,"; done
for name in $1; do echo "	&sieve_ext_$name,"; done
echo '	NULL,'
echo '};'
echo
echo "_Static_assert(sizeof(sieve_extensions) / sizeof(sieve_extensions[0]) <= SIEVE_EXTENSIONS_MAX + 1, \"a bit for each extension\");"

/* A PROXY header is read the same however it is cut, and never asks for bytes behind it. */
#include <stdlib.h>

#include "libcommon/net/proxy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
must(bool is_true)
{
	if (!is_true)
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str input = str_from(data, size);
	struct net_address whole = { 0 }, part = { 0 };
	struct net_network network;
	size_t need = 0, len = 0;
	enum err err = proxy_parse(input, &need, &whole);
	enum err cut;

	must(err == ERR_OK || err == ERR_AGAIN || err == ERR_SYNTAX);
	must(err == ERR_SYNTAX || need <= PROXY_MAX_BYTES);
	must(err != ERR_OK || (need <= size && (whole.len == 0 || whole.len == 4 || whole.len == 16)));
	must(err != ERR_AGAIN || need > size);

	/* As the socket is read: up to what is needed, and no more. */
	while ((cut = proxy_parse(str_sub(input, 0, len), &need, &part)) == ERR_AGAIN && need <= size)
		len = need;
	must(cut == err || (cut == ERR_AGAIN && err == ERR_SYNTAX && need > size));
	must(cut != ERR_OK || (len == need && memcmp(&part, &whole, sizeof(part)) == 0));

	if (net_network_parse(input, &network) == ERR_OK)
		must(net_network_has(&network, &network.address) && network.bits <= network.address.len * 8);
	return 0;
}

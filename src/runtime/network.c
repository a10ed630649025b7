/* SPDX-License-Identifier: Apache-2.0
 *
 * Puts the ruleset into the kernel (libnftables(3)), all of it or nothing.
 * Connections that are under way keep going where they went: connection
 * tracking remembers. One whose instance is gone is reset by the ruleset when
 * it is TCP; UDP is led to an instance that takes traffic at once (conntrack.h).
 */
#include "base/base.h"

#include <arpa/inet.h>
#include <nftables/libnftables.h>

#include "base/err.h"
#include "runtime/conntrack.h"
#include "runtime/host_priv.h"
#include "runtime/netns.h"
#include "runtime/ruleset.h"

void network_describe(const struct compose_service *service, struct arena *arena,
                      struct netns_link *ret)
{
    const char **others = ARENA_ARRAY(arena, const char *, service->network_count + 1);

    ret->others = others;
    ret->mac = service->mac_address;
    for (size_t i = 0; i < service->network_count; i++) {
        const struct compose_service_network *network = &service->networks[i];
        if (ret->mac == NULL)
            ret->mac = network->mac_address;
        if (network->interface_name != NULL && ret->interface == NULL)
            ret->interface = network->interface_name;
        else if (network->interface_name != NULL)
            others[ret->other_count++] = network->interface_name;
    }
}

static bool allow_loopback(const struct runtime_network *wanted, struct err *err)
{
    for (size_t i = 0; i < wanted->publication_count; i++)
        for (size_t k = 0; k < wanted->publications[i].target_count; k++)
            if (!netns_allow_loopback(wanted->publications[i].targets[k].address, err))
                return false;
    return true;
}

/* ---- UDP ---- */

static bool has_address(const struct runtime_network *network, struct in_addr address)
{
    char text[INET_ADDRSTRLEN];

    if (inet_ntop(AF_INET, &address, text, sizeof text) == NULL)
        return false;
    for (size_t i = 0; i < network->service_count; i++)
        for (size_t k = 0; k < network->services[i].instance_count; k++)
            if (strcmp(network->services[i].instances[k], text) == 0)
                return true;
    for (size_t i = 0; i < network->publication_count; i++)
        for (size_t k = 0; k < network->publications[i].target_count; k++)
            if (strcmp(network->publications[i].targets[k].address, text) == 0)
                return true;
    for (size_t i = 0; i < network->leaving_count; i++)
        if (strcmp(network->leaving[i], text) == 0)
            return true;
    return false;
}

static bool keeps(const void *arg, struct in_addr address)
{
    return has_address(arg, address);
}

static void add_taker(struct host *host, const char *text)
{
    struct in_addr address;

    if (inet_pton(AF_INET, text, &address) == 1)
        VEC_PUSH(&host->takers, address);
}

/* Only when somebody who took traffic does not any more: reading the table is not free. */
static bool forget_udp(struct host *host, const struct runtime_network *wanted, struct err *err)
{
    bool lost = !host->applied;

    for (size_t i = 0; !lost && i < host->takers.len; i++)
        lost = !has_address(wanted, host->takers.ptr[i]);
    host->applied = true;
    host->takers.len = 0;
    for (size_t i = 0; i < wanted->service_count; i++)
        for (size_t k = 0; k < wanted->services[i].instance_count; k++)
            add_taker(host, wanted->services[i].instances[k]);
    for (size_t i = 0; i < wanted->publication_count; i++)
        for (size_t k = 0; k < wanted->publications[i].target_count; k++)
            add_taker(host, wanted->publications[i].targets[k].address);
    for (size_t i = 0; i < wanted->leaving_count; i++)
        add_taker(host, wanted->leaving[i]);
    return !lost || conntrack_forget_udp(keeps, wanted, err);
}

bool network_apply(struct runtime *runtime, const struct runtime_network *wanted, struct err *err)
{
    struct host *host = host_of(runtime);
    AUTO(buf_done) struct buf text = {0};

    if (!ruleset_format(wanted, &text, err) || !netns_prepare_machine(err) ||
        !allow_loopback(wanted, err))
        return false;
    struct nft_ctx *nft = nft_ctx_new(NFT_CTX_DEFAULT);
    if (nft == NULL)
        return err_set(err, ERR_SYSTEM, "cannot reach nftables");
    (void)nft_ctx_buffer_output(nft);
    (void)nft_ctx_buffer_error(nft);
    bool applied = nft_run_cmd_from_buffer(nft, buf_text(&text)) == 0;
    if (!applied) {
        struct str said = str_of(nft_ctx_get_error_buffer(nft));
        err_set(err, ERR_SYSTEM, "nftables refuses the rules: " STR_FMT,
                (int)MIN(str_find(said, '\n'), 500U), said.ptr);
    }
    nft_ctx_free(nft);
    return applied && forget_udp(host, wanted, err);
}

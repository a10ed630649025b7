/* SPDX-License-Identifier: Apache-2.0
 *
 * Puts the ruleset into the kernel (libnftables(3)), all of it or nothing.
 * Connections that are under way keep going where they went: connection
 * tracking remembers. One whose instance is gone is reset by the ruleset when
 * it is TCP; UDP that still goes to a gone instance is refused until its
 * tracking entry expires (30 s of silence, 2 minutes after an answer).
 */
#include "base/base.h"

#include <nftables/libnftables.h>

#include "base/err.h"
#include "runtime/host_priv.h"
#include "runtime/netns.h"
#include "runtime/ruleset.h"

bool network_apply(struct runtime *runtime, const struct runtime_network *wanted, struct err *err)
{
    AUTO(buf_done) struct buf text = {0};

    (void)runtime;
    if (!ruleset_format(wanted, &text, err) || !netns_prepare_machine(err))
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
    return applied;
}

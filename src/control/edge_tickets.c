/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/file.h"
#include "base/log.h"
#include "control/daemon_priv.h"
#include "control/edge_tickets.h"
#include "tls/tls.h"
#include "json/json.h"

enum { FILE_LIMIT = 4096, ROTATE_MS = 12 * 3600 * 1000 };

struct edge_tickets {
    char keys[TLS_TICKET_KEYS][TLS_TICKET_KEY_TEXT_BYTES];
    size_t count;
    int64_t made_ms; /* the first of them */
};

void edge_tickets_free(struct edge_tickets *tickets)
{
    if (tickets == NULL)
        return;
    explicit_bzero(tickets, sizeof *tickets);
    free(tickets);
}

static void format_path(const struct daemon *daemon, struct buf *ret)
{
    buf_addf(ret, "%s/tickets.json", daemon->options.run_dir);
}

static json_t *keys_json(const struct edge_tickets *tickets)
{
    json_t *list = json_array();

    for (size_t i = 0; i < tickets->count; i++)
        (void)json_array_append_new(list, json_string(tickets->keys[i]));
    return list;
}

/* A former daemon's. What cannot be read is made anew: sessions begin with a full handshake then.
 */
static void read_keys(const struct daemon *daemon, struct edge_tickets *tickets)
{
    AUTO(buf_done) struct buf path = {0}, text = {0};
    AUTO(json_unref) json_t *root = NULL;
    const json_t *list;
    struct err err;

    format_path(daemon, &path);
    if (!file_read(buf_text(&path), FILE_LIMIT, &text, &err) ||
        !json_parse(buf_str(&text), FILE_LIMIT, &root, &err) ||
        !json_get_array(root, "keys", &list, &err))
        return;
    for (size_t i = 0; i < json_array_size(list) && tickets->count < TLS_TICKET_KEYS; i++) {
        const char *key = json_string_value(json_array_get(list, i));
        if (key != NULL && strlen(key) == TLS_TICKET_KEY_TEXT_BYTES - 1)
            memcpy(tickets->keys[tickets->count++], key, TLS_TICKET_KEY_TEXT_BYTES);
    }
    tickets->made_ms = (int64_t)json_find_u64(root, "made_ms", 0);
    explicit_bzero(text.ptr, text.len);
}

static void write_keys(const struct daemon *daemon, const struct edge_tickets *tickets)
{
    AUTO(buf_done) struct buf path = {0}, text = {0};
    AUTO(json_unref)
    json_t *root = json_pack("{s:o, s:I}", "keys", keys_json(tickets), "made_ms",
                             (json_int_t)tickets->made_ms);
    struct err err;

    format_path(daemon, &path);
    json_format(root, false, &text);
    if (!file_write(buf_text(&path), buf_str(&text), 0600, &err))
        log_warn("daemon", "the keys of TLS sessions are not kept: %s", err.text);
    explicit_bzero(text.ptr, text.len);
}

static void rotate(struct edge_tickets *tickets, int64_t now_ms)
{
    memmove(tickets->keys[1], tickets->keys[0], sizeof tickets->keys - sizeof tickets->keys[0]);
    tls_ticket_key_draw(tickets->keys[0]);
    tickets->count = MIN(tickets->count + 1, (size_t)TLS_TICKET_KEYS);
    tickets->made_ms = now_ms;
}

json_t *edge_tickets_keys(struct daemon *daemon)
{
    int64_t now_ms = clock_wall_ms();

    if (daemon->tickets == NULL) {
        daemon->tickets = NEW(struct edge_tickets);
        read_keys(daemon, daemon->tickets);
    }
    int64_t age_ms = now_ms - daemon->tickets->made_ms;
    if (daemon->tickets->count == 0 || age_ms >= ROTATE_MS || age_ms < 0) {
        rotate(daemon->tickets, now_ms);
        write_keys(daemon, daemon->tickets);
    }
    return keys_json(daemon->tickets);
}

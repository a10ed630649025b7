/* SPDX-License-Identifier: Apache-2.0
 *
 * One request and its response. Chooses the route and then is served by a
 * target (proxy.c sends the request, response.c brings back the answer), by a
 * file (static.c), or by the edge itself (answer.c); after an upgrade it is a
 * tunnel (tunnel.c), and a TCP listener's connection is one from the start.
 * It pins the table it began with.
 *
 * What it has of its client are <side>, the conn that bytes of bodies go
 * through, and a table of functions for what HTTP/1.1 and HTTP/2 do differently.
 */
#pragma once

#include "base/base.h"
#include "edge/balance.h"
#include "edge/body.h"
#include "edge/client.h"
#include "edge/target.h"
#include "http/http1.h"

enum { EXCHANGE_ABORTED = 499 }; /* a status: the client left before there was an answer */
enum { EXCHANGE_MAX_ATTEMPTS = 3, REQUEST_ID_BYTES = 32, REQUEST_ID_MAX_BYTES = 128 };

/* client.c has the one for HTTP/1.1, h2_stream.c that for HTTP/2. */
struct client_ops {
    bool is_http2;
    bool is_background; /* nobody reads the answer: not in the log, and not counted */
    /* Events of <side> belong to <exchange> from now on. */
    void (*bind)(struct exchange *exchange);
    /* Writes a head, as text of HTTP/1.1 in the first <head_len> bytes of <iov>, and the bytes
     * of the body behind it. <whole>: no more will follow. False: the connection is dead. */
    bool (*write_head)(struct exchange *exchange, size_t head_len, const struct iovec *iov,
                       int count, bool whole);
    /* Has the client taken anything of what is being written since the last call? */
    bool (*takes)(struct exchange *exchange);
    /* The exchange is over, and gone; everything of its answer was written or kept. */
    void (*done)(struct client *client, struct conn *side, bool keep_alive);
    /* Trailers, lines of text: what the request brought, valid until the exchange is over, and
     * what goes behind the answer, before done(). NULL: this protocol's are dropped. */
    struct str (*read_trailers)(struct exchange *exchange);
    void (*write_trailers)(struct exchange *exchange, struct spill *text);
    /* The answer cannot be completed: cuts it off so that the client notices. */
    void (*abort)(struct exchange *exchange);
};

struct rules_state;
struct static_entry;
struct static_parts;

struct exchange {
    struct exchange *next_free;
    struct worker *worker;
    struct client *client;
    struct conn *side;            /* the client's connection, or its stream */
    const struct client_ops *ops; /* of the client's protocol */
    struct view *view;
    const struct route *route; /* NULL: none was found */
    struct view *later;        /* whose targets serve it, newer than <view>; NULL: view's */
    uint32_t upstream;         /* of exchange_targets() */
    uint32_t release;          /* of the target that was asked last; 0: unknown */
    uint32_t meter;            /* of the release that was asked last; 0: none */
    struct pick pick;
    uint64_t visitor;           /* number for the cookie, with <sets_visitor> */
    struct queue *queue;        /* it waits there for a target; NULL: it does not */
    struct list waiting;        /* in that queue */
    uint64_t wait_until_ns;     /* 0: has not waited */
    uint64_t first_byte_ns;     /* when the answer's head came from the target; 0: did not */
    struct target *target;      /* taken; NULL: none yet */
    struct pipe *pipe_in;       /* tunnel: bytes on their way to the target; NULL: none */
    struct pipe *pipe_out;      /* to the client */
    struct share *share;        /* of the target, taken too; NULL: it has no limit */
    struct target_conn *server; /* NULL: not connected */
    uint64_t unseen_ns; /* time of the round in which an idle <server> was asked, unlooked at */
    struct spill *head; /* the request as it is sent, and the texts below */
    struct str method_text;
    struct str host;
    struct str path;
    struct str request_id;
    struct str target_text; /* of the last target tried; the view's */
    struct body request;
    struct body response;
    struct spill *trailers;  /* of the response */
    struct cache_use *cache; /* what the cache has to do with the target's answer; NULL: nothing */
    struct cache_entry *hit; /* what is being sent out of the cache, referenced; NULL: nothing */
    struct rules_state *rules; /* NULL: the route has none */
    uint64_t start_ns;
    uint64_t sent_bytes;           /* of the response's body */
    uint64_t awaits_body_since_ns; /* limits.c: 0 while the client is not waited for */
    uint64_t awaited_body_ns;
    struct spill *forwarded; /* for whom a trusted proxy asks, text; NULL: for itself */
    uint64_t quiet_bytes;    /* sent when a client that is closed by half was last looked at */
    uint64_t file_from;      /* static.c: what is left of the file to send */
    uint64_t file_left;
    uint32_t reset_code;        /* of HTTP/2, by which the target ended the answer; 0: it did not */
    uint32_t interim_bytes;     /* of heads that came before the answer's */
    struct static_entry *file;  /* being sent; NULL: none */
    struct static_parts *parts; /* NULL: one range, or the file */
    enum http_method method;
    int status;      /* of the answer, or how a connection of TCP ended; 0: none yet */
    int wait_status; /* for the answer when it waited in vain */
    uint8_t attempts;
    uint8_t minor_version;  /* of the client: HTTP/1.0, HTTP/1.1 or (2) HTTP/2 */
    bool is_secure;         /* the client asked by https, as far as it is known */
    bool keep_alive;        /* the client's connection goes on after this */
    bool upgrade;           /* the client asked for it */
    bool wants_json;        /* error pages */
    bool server_keep_alive; /* the target's connection goes on after this */
    bool request_abandoned; /* the target does not take the rest of the body */
    bool fresh_only;        /* an idle connection turned out to be stale */
    bool is_tunnel;         /* bytes are passed both ways */
    bool is_streamed;       /* gRPC, events: it goes on as long as it likes, with pauses */
    bool half_closed;       /* the client sends no more */
    bool client_ended;      /* tunnel: one way is over */
    bool server_ended;
    bool sets_cookies; /* the answer may take cookies along: balance.h */
    bool sets_visitor;
    bool on_trial;    /* the target is asked again after failures, by this one alone */
    bool failed;      /* the target did not answer, or not to the end */
    bool asked_again; /* of the route's other upstream */
};

/* The view that <upstream> is of. */
static inline struct view *exchange_targets(const struct exchange *exchange)
{
    return exchange->later != NULL ? exchange->later : exchange->view;
}

/* The longest pause in a body. */
static inline uint32_t exchange_pause_ms(const struct exchange *exchange)
{
    return exchange->is_streamed ? exchange->route->tunnel_timeout_ms
                                 : exchange->route->body_timeout_ms;
}

/* Must the client's connection end with this answer, whatever he asked for? An edge that was
 * replaced says so with the last of the requests that have come: what a client has sent ahead need
 * not come again. */
bool exchange_is_last(const struct exchange *exchange);
/* worker->head was read, and the bytes it points to stay valid during the call. */
void exchange_start(struct client *client, struct conn *side, const struct client_ops *ops);
/* A request that could not be read: answers <status>, then closes. */
void exchange_refuse(struct client *client, struct conn *side, const struct client_ops *ops,
                     int status);
/* For a connection of a TCP listener. */
void exchange_start_tcp(struct client *client, const struct table_listener *config);

/* The response was handed to the client's connection in full. */
void exchange_done(struct exchange *exchange);
/* The response cannot be completed: an error page when it has not begun, else the connection is
 * cut. */
void exchange_fail(struct exchange *exchange, int status);
/* The client is gone: ends the target's side too. Frees the exchange, not the client. */
void exchange_client_gone(struct exchange *exchange);
/* The client's connection failed: closes it and does the above. */
void exchange_drop(struct exchange *exchange);

/* Events of <side> while the exchange runs. */
void exchange_client_readable(struct exchange *exchange);
void exchange_client_writable(struct exchange *exchange);
void exchange_client_timeout(struct exchange *exchange);

/* Write to the client; false: the exchange is gone. */
MUST_CHECK bool exchange_write(struct exchange *exchange, const struct iovec *iov, int count);
MUST_CHECK bool exchange_write_head(struct exchange *exchange, size_t head_len,
                                    const struct iovec *iov, int count, bool whole);

/* Past what a route's rules may change. */
MUST_CHECK bool exchange_send(struct exchange *exchange, const struct iovec *iov, int count);
MUST_CHECK bool exchange_send_head(struct exchange *exchange, size_t head_len,
                                   const struct iovec *iov, int count, bool whole);
/* An exchange that had to wait behind rules_admit(): reads worker->head again from <head>, a copy
 * that lasts as long as the exchange; resume() then goes on. */
void exchange_reread(struct exchange *exchange, struct str head);
void exchange_resume(struct exchange *exchange, struct str head);

void exchange_free_all(struct worker *worker);

/* Asks a target. worker->head is the request. */
void exchange_start_proxy(struct exchange *exchange);

/* proxy.c */
void proxy_start(struct exchange *exchange);
/* Goes on after waiting for a target. */
void proxy_resume(struct exchange *exchange);
/* The target broke its promise: counts it. */
void proxy_blame(struct exchange *exchange);
/* For a 404 that was not passed on yet: asks the route's other upstream. False: there is none. */
bool proxy_ask_again(struct exchange *exchange);
/* Gives up the target's connection and tries another; answers <status> when that is no use. */
void proxy_retry(struct exchange *exchange, int status);
/* Passes on what the client sends of the body, as far as it goes now. */
void proxy_pump_request(struct exchange *exchange);
/* Gives the connection back to the idle ones, or closes it. Releases the target. */
void proxy_release(struct exchange *exchange, bool reuse);
bool proxy_is_retryable(const struct exchange *exchange);

/* response.c: states of a target's connection that has an exchange. */
extern const struct conn_state response_waiting, response_waiting_h2;
extern const struct conn_state response_relaying;
/* The client took what it was given: reads on. */
void response_resume(struct exchange *exchange);
/* response_splice.c: can the rest of the body go without a copy? */
bool response_may_splice(const struct exchange *exchange);
/* False: it has to be copied. Otherwise the exchange may be over. */
MUST_CHECK bool response_splice(struct exchange *exchange);

/* tunnel.c: both connections pass on what comes, until both ways are over. */
void tunnel_start(struct exchange *exchange);
void tunnel_client_readable(struct exchange *exchange);
void tunnel_client_writable(struct exchange *exchange);
void tunnel_free_pipes(struct exchange *exchange);

/* exchange_meter.c: counts it, at its end, for its route and for the release that served it. */
void exchange_meter(const struct exchange *exchange);

/* static.c */
void static_start(struct exchange *exchange, struct str path);
void static_resume(struct exchange *exchange);

/* answer.c: the parts of an answer's head that all of them have: status line, Date and the route's
 * headers but those of <present>; and what becomes of the connection. Both return the end. */
char *answer_put_start(struct exchange *exchange, int status, uint64_t present, char *at);
/* A client that has not sent all of its body yet is not kept. */
char *answer_put_end(const struct exchange *exchange, char *at);
/* Answers of the edge itself; they end the exchange. An error's page is the route's or the edge's
 * own, or JSON for a client that wants it. */
void answer_error(struct exchange *exchange, int status);
/* The same with <lines> in the head, each with its CRLF, and with <page> (HTML, valid as long as
 * the table) unless it is empty. */
enum { ANSWER_LINES_BYTES = 4096 };
void answer_error_with(struct exchange *exchange, int status, struct str lines, struct str page);
/* 416: nothing of what was asked for lies in these <whole_bytes>. */
void answer_no_such_range(struct exchange *exchange, uint64_t whole_bytes);
/* Without a body. */
void answer_empty(struct exchange *exchange, int status, struct str lines);
void answer_redirect(struct exchange *exchange, int status, struct str location);
/* http -> https of the same host, path and query. */
void answer_to_https(struct exchange *exchange, uint16_t port, const struct http1_head *head);

/* SPDX-License-Identifier: Apache-2.0
 *
 * Rewrites heads on their way through: copies runs of header lines as they came
 * and leaves out what is for one connection only (RFC 9110, 7.6.1). Framing
 * headers are written anew.
 *
 * To the target: Host; X-Forwarded-For with the client appended; X-Forwarded-Proto
 * and -Host as the edge saw them; X-Request-Id, the client's when it is sane.
 * To the client: the target's headers, Server among them; a Date where there is
 * none; the route's headers where the target did not set them.
 */
#pragma once

#include "edge/exchange.h"

/* Writes the request of worker->head to exchange->head and points the texts of the exchange into
 * it. */
void head_write_request(struct exchange *exchange);
/* The texts alone, for an exchange that no target serves. */
void head_keep_texts(struct exchange *exchange);
/* The response of worker->head to worker->head_bytes; returns its length. */
size_t head_write_response(struct exchange *exchange);
/* The request's own: HSTS and the other headers that the route asks for and <present>, bits of
 * HTTP_... names, does not have. Returns the end. */
char *head_write_route_headers(const struct exchange *exchange, uint64_t present, char *at);

/* May a client's trailer <name> go to a target? Not what a header of that name would mean
 * something to the edge, or what only a proxy may say. */
bool head_allows_trailer(struct str name);

static inline char *head_put(char *at, struct str text)
{
    if (text.len > 0) /* the empty text may have no address */
        memcpy(at, text.ptr, text.len);
    return at + text.len;
}
#define HEAD_PUT(at, literal) head_put((at), STR(literal))
char *head_put_number(char *at, uint64_t number);

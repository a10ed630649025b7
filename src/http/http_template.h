/* SPDX-License-Identifier: Apache-2.0
 *
 * Values of header rules, as a person writes them: text with variables like
 * {client_ip}. Braces around anything else are text, so JSON in a header needs
 * no escape. ("$" is taken: Compose puts its own variables there.)
 */
#pragma once

#include "base/base.h"
#include "base/str.h"

enum http_variable {
    HTTP_VARIABLE_TEXT, /* none: the piece is text */
    HTTP_VARIABLE_CLIENT_IP,
    HTTP_VARIABLE_HOST, /* as the client wrote it, with its port */
    HTTP_VARIABLE_REQUEST_ID,
    HTTP_VARIABLE_SCHEME, /* http or https */
    HTTP_VARIABLE_USER,   /* of basic authentication, or nothing */
    HTTP_VARIABLE_PATH,   /* of the request, for try_files */
    HTTP_VARIABLE_COUNT,
};

/* No value of a variable is longer, but that of {path}. */
enum { HTTP_VARIABLE_BYTES = 256 };

enum http_template_result { HTTP_TEMPLATE_PIECE, HTTP_TEMPLATE_END, HTTP_TEMPLATE_UNKNOWN };

/* Takes the next piece from <rest>. UNKNOWN: <ret_text> is a name that is none. */
enum http_template_result http_template_next(struct str *rest, enum http_variable *ret_variable,
                                             struct str *ret_text);

/* Is <text> a path for try_files: "/index.html", "{path}.html", with {path} once at most? */
bool http_template_is_path(struct str text);

/* Why a rule must not change header <name> of a request or a response: a static text. NULL: it
 * may. What frames a message, is for one connection, or is written by the edge cannot be changed.
 */
const char *http_rule_refusal(struct str name, bool of_request);

/* Visible characters, blanks and what is beyond ASCII, not longer than <max>. */
bool http_value_is_sane(struct str value, size_t max);

/* Does <word> occur in <list>, whatever the case? */
bool http_mentions(struct str list, struct str word);

/* "https://shop.example.com:8443", "https://" and a star before the first dot, "*", "null": what
 * an origin of another site may be. */
bool http_origin_is_sane(struct str origin);
/* Is <origin>, as a browser sends it, covered by <pattern>? */
bool http_origin_matches(struct str pattern, struct str origin);

/* RFC of the W3C, trace context 1: version 00 to fe, 32 and 16 digits that are not all 0. */
enum { HTTP_TRACEPARENT_BYTES = 55 };
bool http_traceparent_is_valid(struct str value);

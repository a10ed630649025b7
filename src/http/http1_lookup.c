/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "http/http1.h"

struct str http1_header(const struct http1_head *head, enum http_name id)
{
    for (size_t i = 0; i < head->header_count; i++)
        if (head->headers[i].id == id)
            return head->headers[i].value;
    return (struct str){0};
}

struct str http1_header_named(const struct http1_head *head, struct str name)
{
    for (size_t i = 0; i < head->header_count; i++)
        if (head->headers[i].name.len == name.len && str_eq_nocase(head->headers[i].name, name))
            return head->headers[i].value;
    return (struct str){0};
}

/* "a=1; name=value" (RFC 6265, 4.2.1). */
struct str http1_cookie(const struct http1_head *head, struct str name)
{
    for (size_t i = 0; i < head->header_count; i++) {
        if (head->headers[i].id != HTTP_COOKIE)
            continue;
        for (struct str rest = head->headers[i].value; rest.ptr != NULL;) {
            struct str value = str_trim(str_cut(&rest, ';'));
            struct str key = str_cut(&value, '=');
            if (value.ptr != NULL && str_eq(key, name))
                return value;
        }
    }
    return (struct str){0};
}

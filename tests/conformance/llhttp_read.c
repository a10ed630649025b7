/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <llhttp.h>

#include "llhttp_read.h"

void reading_add(struct reading *reading, const char *bytes, size_t len)
{
    size_t room = sizeof reading->text - reading->len;

    len = len < room ? len : room;
    memcpy(reading->text + reading->len, bytes, len);
    reading->len += len;
}

static void trim(struct reading *reading)
{
    while (reading->len > 0 &&
           (reading->text[reading->len - 1] == ' ' || reading->text[reading->len - 1] == '\t'))
        reading->len--;
}

static int on_bytes(llhttp_t *parser, const char *at, size_t len)
{
    reading_add(parser->data, at, len);
    return 0;
}

static int on_piece_end(llhttp_t *parser)
{
    struct reading *reading = parser->data;

    trim(reading);
    reading_add(reading, "\n", 1);
    return 0;
}

static int on_head_end(llhttp_t *parser)
{
    struct reading *reading = parser->data;
    char line[128];
    bool chunked = (parser->flags & F_CHUNKED) != 0;
    int len = snprintf(line, sizeof line, "%s 1.%d %s %llu", llhttp_method_name(parser->method),
                       parser->http_minor, chunked ? "chunked" : "length",
                       chunked ? 0ULL : (unsigned long long)parser->content_length);

    reading_add(reading, line, (size_t)len);
    reading->complete = true;
    return HPE_PAUSED;
}

const char *llhttp_read(const char *bytes, size_t len, struct reading *ret)
{
    llhttp_settings_t settings;
    llhttp_t parser;

    llhttp_settings_init(&settings);
    settings.on_url = on_bytes;
    settings.on_url_complete = on_piece_end;
    settings.on_header_field = on_bytes;
    settings.on_header_field_complete = on_piece_end;
    settings.on_header_value = on_bytes;
    settings.on_header_value_complete = on_piece_end;
    settings.on_headers_complete = on_head_end;
    llhttp_init(&parser, HTTP_REQUEST, &settings);
    *ret = (struct reading){.len = 0};
    parser.data = ret;
    llhttp_errno_t result = llhttp_execute(&parser, bytes, len);
    if (ret->complete)
        return NULL;
    return result == HPE_OK ? "more" : llhttp_errno_name(result);
}

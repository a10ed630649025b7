/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "http/http_names.h"
#include "http/http_template.h"

static const struct str variables[HTTP_VARIABLE_COUNT] = {
    [HTTP_VARIABLE_CLIENT_IP] = {"client_ip", 9},
    [HTTP_VARIABLE_HOST] = {"host", 4},
    [HTTP_VARIABLE_REQUEST_ID] = {"request_id", 10},
    [HTTP_VARIABLE_SCHEME] = {"scheme", 6},
    [HTTP_VARIABLE_USER] = {"user", 4},
    [HTTP_VARIABLE_PATH] = {"path", 4},
};

/* Length of "{name}" at the start of <text>; 0 when it starts with something else. */
static size_t variable_len(struct str text)
{
    size_t len = 1;

    if (text.len < 3 || text.ptr[0] != '{')
        return 0;
    while (len < text.len &&
           ((text.ptr[len] >= 'a' && text.ptr[len] <= 'z') || text.ptr[len] == '_'))
        len++;
    return len > 1 && len < text.len && text.ptr[len] == '}' ? len + 1 : 0;
}

enum http_template_result http_template_next(struct str *rest, enum http_variable *ret_variable,
                                             struct str *ret_text)
{
    size_t len = variable_len(*rest), text_len = 1;

    *ret_variable = HTTP_VARIABLE_TEXT;
    if (rest->len == 0)
        return HTTP_TEMPLATE_END;
    if (len > 0) {
        *ret_text = str_sub(*rest, 1, len - 2);
        *rest = str_sub(*rest, len, SIZE_MAX);
        for (size_t i = 1; i < ARRAY_LEN(variables); i++)
            if (str_eq(*ret_text, variables[i])) {
                *ret_variable = (enum http_variable)i;
                return HTTP_TEMPLATE_PIECE;
            }
        return HTTP_TEMPLATE_UNKNOWN;
    }
    while (text_len < rest->len && variable_len(str_sub(*rest, text_len, SIZE_MAX)) == 0)
        text_len++;
    *ret_text = str_sub(*rest, 0, text_len);
    *rest = str_sub(*rest, text_len, SIZE_MAX);
    return HTTP_TEMPLATE_PIECE;
}

bool http_template_is_path(struct str text)
{
    enum http_variable variable;
    enum http_template_result result;
    struct str rest = text, piece;
    size_t paths = 0;

    if (!str_starts(text, STR("/")) && !str_starts(text, STR("{path}")))
        return false;
    while ((result = http_template_next(&rest, &variable, &piece)) != HTTP_TEMPLATE_END) {
        bool is_path = variable == HTTP_VARIABLE_PATH;
        paths += is_path;
        if (result != HTTP_TEMPLATE_PIECE || (!is_path && variable != HTTP_VARIABLE_TEXT))
            return false;
    }
    return paths <= 1;
}

static bool is_in(struct str name, const struct str *names, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (str_eq_nocase(name, names[i]))
            return true;
    return false;
}

const char *http_rule_refusal(struct str name, bool of_request)
{
    static const struct str framing[] = {
        {"Content-Length", 14}, {"Transfer-Encoding", 17}, {"Trailer", 7},       {"TE", 2},
        {"Expect", 6},          {"Content-Encoding", 16},  {"Content-Range", 13}};
    static const struct str connection[] = {{"Connection", 10},         {"Keep-Alive", 10},
                                            {"Proxy-Connection", 16},   {"Upgrade", 7},
                                            {"HTTP2-Settings", 14},     {"Proxy-Authenticate", 18},
                                            {"Proxy-Authorization", 19}};
    static const struct str own[] = {{"X-Forwarded-For", 15},   {"X-Forwarded-Proto", 17},
                                     {"X-Forwarded-Host", 16},  {"X-Real-IP", 9},
                                     {"X-Request-Id", 12},      {"Host", 4},
                                     {"X-Forwarded-Prefix", 18}};

    if (name.len == 0 || name.len > 100)
        return "is empty or longer than 100 bytes";
    for (size_t i = 0; i < name.len; i++)
        if (!http_is(name.ptr[i], HTTP_CLASS_TOKEN))
            return "is not a header name";
    if (is_in(name, framing, ARRAY_LEN(framing)))
        return "says where a message ends or how it is coded";
    if (is_in(name, connection, ARRAY_LEN(connection)))
        return "is for one connection only";
    if (of_request && is_in(name, own, ARRAY_LEN(own)))
        return "is written by the edge itself";
    return !of_request && str_eq_nocase(name, STR("Date")) ? "is written by the edge itself" : NULL;
}

bool http_value_is_sane(struct str value, size_t max)
{
    for (size_t i = 0; i < value.len; i++)
        if (http_is(value.ptr[i], HTTP_CLASS_CONTROL) || value.ptr[i] == '\t')
            return false;
    return value.len <= max;
}

bool http_mentions(struct str list, struct str word)
{
    for (size_t i = 0; i + word.len <= list.len; i++)
        if (str_eq_nocase(str_sub(list, i, word.len), word))
            return true;
    return false;
}

/* Behind "://", without a path. */
static bool is_authority(struct str text)
{
    for (size_t i = 0; i < text.len; i++)
        if (!http_is(text.ptr[i], HTTP_CLASS_HOST) && text.ptr[i] != ':' && text.ptr[i] != '[' &&
            text.ptr[i] != ']')
            return false;
    return text.len > 0 && text.len <= HTTP_VARIABLE_BYTES - 16;
}

bool http_origin_is_sane(struct str origin)
{
    static const struct str schemes[] = {{"https://", 8}, {"http://", 7}};

    if (str_is(origin, "*") || str_is(origin, "null"))
        return true;
    for (size_t i = 0; i < ARRAY_LEN(schemes); i++) {
        if (!str_starts(origin, schemes[i]))
            continue;
        struct str rest = str_sub(origin, schemes[i].len, SIZE_MAX);
        if (str_starts(rest, STR("*.")))
            rest = str_sub(rest, 2, SIZE_MAX);
        return is_authority(rest);
    }
    return false;
}

bool http_origin_matches(struct str pattern, struct str origin)
{
    size_t star = str_find(pattern, '*');

    if (str_is(pattern, "*"))
        return true;
    if (star == pattern.len)
        return str_eq_nocase(pattern, origin);
    /* a star as the first label: something before the dot, and that is part of a host name */
    struct str start = str_sub(pattern, 0, star), end = str_sub(pattern, star + 1, SIZE_MAX);
    if (origin.len <= pattern.len - 1 || !str_eq_nocase(str_sub(origin, 0, star), start))
        return false;
    struct str tail = str_sub(origin, origin.len - end.len, SIZE_MAX);
    struct str label = str_sub(origin, star, origin.len - end.len - star);
    for (size_t i = 0; i < label.len; i++)
        if (!http_is(label.ptr[i], HTTP_CLASS_HOST))
            return false;
    return str_eq_nocase(tail, end);
}

static bool is_hex_but_zero(struct str text)
{
    bool all_zero = true;

    for (size_t i = 0; i < text.len; i++) {
        bool lower = (text.ptr[i] >= '0' && text.ptr[i] <= '9') ||
                     (text.ptr[i] >= 'a' && text.ptr[i] <= 'f');
        if (!lower)
            return false;
        all_zero = all_zero && text.ptr[i] == '0';
    }
    return !all_zero;
}

bool http_traceparent_is_valid(struct str value)
{
    struct str flags = str_sub(value, 53, 2), version = str_sub(value, 0, 2);

    if (value.len < HTTP_TRACEPARENT_BYTES || value.ptr[2] != '-' || value.ptr[35] != '-' ||
        value.ptr[52] != '-' || str_is(version, "ff"))
        return false;
    /* version 00 ends here; a later one may go on behind a dash */
    if (value.len > HTTP_TRACEPARENT_BYTES &&
        (str_is(version, "00") || value.ptr[HTTP_TRACEPARENT_BYTES] != '-' || value.len > 256))
        return false;
    return (is_hex_but_zero(version) || str_is(version, "00")) &&
           is_hex_but_zero(str_sub(value, 3, 32)) && is_hex_but_zero(str_sub(value, 36, 16)) &&
           (is_hex_but_zero(flags) || str_is(flags, "00"));
}

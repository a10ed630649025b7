/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <errno.h>
#include <math.h>

#include "base/str.h"
#include "yaml/yaml.h"

enum { NUMBER_TEXT_MAX = 64 };

static bool is_one_of(const char *text, const char *const *words)
{
    for (; *words != NULL; words++)
        if (text_eq(text, *words))
            return true;
    return false;
}

static int digit_of(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return 99;
}

static int base_of(const char **digits)
{
    const char *at = *digits;

    if (at[0] != '0' || at[1] == '\0')
        return 10;
    int base = at[1] == 'x' ? 16 : at[1] == 'o' ? 8 : at[1] == 'b' ? 2 : 0;
    *digits = base == 0 ? at + 1 : at + 2;
    return base == 0 ? 8 : base;
}

static bool parse_integer(const char *text, int64_t *ret)
{
    bool negative = text[0] == '-';
    const char *at = text + (text[0] == '-' || text[0] == '+');
    int base = base_of(&at);
    int64_t value = 0;

    if (digit_of(*at) >= base)
        return false;
    for (; *at != '\0'; at++) {
        if (*at == '_' && at[1] != '\0')
            continue;
        int digit = digit_of(*at);
        if (digit >= base || __builtin_mul_overflow(value, base, &value) ||
            __builtin_sub_overflow(value, digit, &value))
            return false;
    }
    if (!negative && value == INT64_MIN)
        return false;
    *ret = negative ? value : -value;
    return true;
}

static size_t skip_digits(const char *text)
{
    return strspn(text, "0123456789");
}

/* [-+]? ( \. [0-9]+ | [0-9]+ ( \. [0-9]* )? ) ( [eE] [-+]? [0-9]+ )? */
static bool is_float(const char *text)
{
    const char *at = text + (text[0] == '-' || text[0] == '+');
    size_t whole = skip_digits(at);

    at += whole;
    if (*at == '.') {
        size_t fraction = skip_digits(++at);
        if (whole == 0 && fraction == 0)
            return false;
        at += fraction;
    } else if (whole == 0) {
        return false;
    }
    if (*at == 'e' || *at == 'E') {
        at++;
        at += *at == '-' || *at == '+';
        size_t exponent = skip_digits(at);
        if (exponent == 0)
            return false;
        at += exponent;
    }
    return *at == '\0';
}

static bool parse_special_float(const char *text, double *ret)
{
    static const char *const nan_words[] = {".nan", ".NaN", ".NAN", NULL};
    static const char *const inf_words[] = {".inf", ".Inf", ".INF", NULL};

    if (is_one_of(text, nan_words)) {
        *ret = (double)NAN;
        return true;
    }
    if (!is_one_of(text + (*text == '-' || *text == '+'), inf_words))
        return false;
    *ret = *text == '-' ? -(double)INFINITY : (double)INFINITY;
    return true;
}

static const char *const null_words[] = {"", "~", "null", "Null", "NULL", NULL};

static struct yaml_value plain_value(const char *text)
{
    static const char *const true_words[] = {"true", "True", "TRUE", NULL};
    static const char *const false_words[] = {"false", "False", "FALSE", NULL};
    struct yaml_value value = {.type = YAML_TEXT};

    if (is_one_of(text, null_words)) {
        value.type = YAML_NULL;
    } else if (is_one_of(text, true_words) || is_one_of(text, false_words)) {
        value.type = YAML_BOOL;
        value.is_true = text[0] == 't' || text[0] == 'T';
    } else if (strlen(text) > NUMBER_TEXT_MAX) {
        return value;
    } else if (parse_integer(text, &value.integer)) {
        value.type = YAML_INT;
        value.number = (double)value.integer;
    } else if (is_float(text)) {
        value.type = YAML_FLOAT;
        value.number = strtod(text, NULL);
    } else if (parse_special_float(text, &value.number)) {
        value.type = YAML_FLOAT;
    }
    return value;
}

struct yaml_value yaml_value(const struct yaml_node *scalar)
{
    assert(scalar->kind == YAML_SCALAR);
    if (scalar->quoted)
        return (struct yaml_value){.type = YAML_TEXT};
    return plain_value(scalar->text);
}

bool yaml_is_null(const struct yaml_node *node)
{
    return node == NULL ||
           (node->kind == YAML_SCALAR && !node->quoted && is_one_of(node->text, null_words));
}

/* "1.5e+21" from digits "15" and the exponent 21, or "0.015" and "1500" without one. */
static void place_digits(const char *digits, int exponent, int exponent_from, char *ret)
{
    size_t len = strlen(digits);
    size_t at = 0;

    if (exponent < -4 || exponent >= exponent_from) {
        (void)snprintf(ret, YAML_NUMBER_BYTES - 1, "%c%s%se%c%02d", digits[0], len > 1 ? "." : "",
                       digits + 1, exponent < 0 ? '-' : '+', abs(exponent));
        return;
    }
    for (int i = exponent; i < 0; i++) {
        ret[at++] = '0';
        if (i == exponent)
            ret[at++] = '.';
    }
    for (size_t i = 0; i < len || (exponent >= 0 && i <= (size_t)exponent); i++) {
        if (exponent >= 0 && i == (size_t)exponent + 1)
            ret[at++] = '.';
        ret[at++] = i < len ? digits[i] : '0';
    }
    ret[at] = '\0';
}

static void format_number(double number, int exponent_from, char *ret)
{
    char text[YAML_NUMBER_BYTES];
    char digits[24];
    size_t count = 0;

    if (isnan(number) || isinf(number)) {
        (void)snprintf(ret, YAML_NUMBER_BYTES, "%s",
                       isnan(number) ? "NaN" : (number < 0 ? "-Inf" : "+Inf"));
        return;
    }
    for (int precision = 0; precision <= 16; precision++) {
        (void)snprintf(text, sizeof text, "%.*e", precision, number);
        if (strtod(text, NULL) == number)
            break;
    }
    const char *at = text + (text[0] == '-');
    for (; *at != 'e'; at++)
        if (*at != '.')
            digits[count++] = *at;
    while (count > 1 && digits[count - 1] == '0')
        count--;
    digits[count] = '\0';
    uint64_t exponent = 0;
    bool is_number = str_to_u64(str_of(at + 2), 400, &exponent);
    assert(is_number);
    if (text[0] == '-')
        *ret++ = '-';
    place_digits(digits, at[1] == '-' ? -(int)exponent : (int)exponent, exponent_from, ret);
}

void yaml_format_number(double number, char *ret)
{
    format_number(number, 21, ret);
}

/* An integer beyond 64 bits that has no sign stays as it is written. */
static bool is_long_integer(const char *text)
{
    uint64_t value;

    return *text != '0' && str_to_u64(str_of(text), UINT64_MAX, &value);
}

const char *yaml_value_text(struct arena *arena, const struct yaml_node *scalar)
{
    struct yaml_value value = yaml_value(scalar);
    char number[YAML_NUMBER_BYTES];

    switch (value.type) {
    case YAML_NULL:
        return NULL;
    case YAML_BOOL:
        return value.is_true ? "true" : "false";
    case YAML_INT:
        if (strcmp(scalar->text, "-0") == 0)
            return scalar->text;
        return arena_printf(arena, "%lld", (long long)value.integer);
    case YAML_FLOAT:
        if (is_long_integer(scalar->text))
            return scalar->text;
        format_number(value.number, 6 + 15 * (value.number == 0), number); /* as Compose prints */
        return arena_text(arena, number);
    case YAML_TEXT:
        break;
    }
    return scalar->text;
}

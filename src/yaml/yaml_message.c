/* SPDX-License-Identifier: Apache-2.0
 *
 * What libfyaml says about a text that is no YAML, in words that tell what to do. */
#include "base/base.h"

#include "yaml/yaml_priv.h"

struct message {
    const char *part; /* of libfyaml's text */
    const char *text; /* in its place; NULL: the text stays */
    const char *todo;
};

/* The first whose part is found counts. */
static const struct message messages[] = {
    {"a value cannot start with", NULL, "put quotes around it"},
    {"tab", "a tab cannot indent", "use spaces"},
    {"invalid indentation in mapping", "this line is indented unlike the keys above it",
     "line it up with them"},
    {"wrong indendation in sequence", "this '-' is indented unlike those above it",
     "line it up with them"},
    {"invalid multiline plain key", "the line after this value is indented under it and has a ':'",
     "indent that line less, or put quotes around the value"},
    {"invalid mapping in plain multiline", "a value that goes on over lines has a ':'",
     "check the indentation, or put quotes around the value"},
    {"invalid nested block mapping", "a second ': ' on one line", "put quotes around the value"},
    {"-quoted scalar", "the quote that opens here is not closed where its indentation ends",
     "close it"},
    {"without closing quote", "the quote that opens here is never closed", "close it"},
    {"wrongly indented flow", "a '[' or '{' above is not closed before this line", "close it"},
    {"without a closing bracket", "a '[' or '{' is never closed", "close it"},
    {"missing comma in flow", "two entries between '[' and ']' or '{' and '}' without a ','",
     "write the ',', or close the bracket"},
    {"invalid alias", "'*' stands before the name of an anchor",
     "put quotes around a value that starts with it"},
    {"did not find expected key", "this does not belong to the map above it",
     "take out a '-' among keys, or correct the indentation"},
    {"block sequence on the same line", "a list begins on the line below its key",
     "put it there, or put quotes around the value"},
};

const char *yaml_message(struct arena *arena, const char *text)
{
    if (strncmp(text, "plain scalar ", strlen("plain scalar ")) == 0)
        text = arena_printf(arena, "a value %s", text + strlen("plain scalar "));
    for (size_t i = 0; i < ARRAY_LEN(messages); i++)
        if (strstr(text, messages[i].part) != NULL)
            return arena_printf(arena, "%s; %s", messages[i].text == NULL ? text : messages[i].text,
                                messages[i].todo);
    return text;
}

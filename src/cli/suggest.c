/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "cli/suggest.h"

struct suggest suggest_start(const char *word)
{
    return (struct suggest){.word = word, .best_distance = SIZE_MAX};
}

/* Optimal string alignment distance with three rows. Both at most SUGGEST_NAME_MAX long. */
static size_t distance(const char *a, size_t a_len, const char *b, size_t b_len)
{
    size_t rows[3][SUGGEST_NAME_MAX + 1] = {0};

    for (size_t j = 0; j <= b_len; j++)
        rows[0][j] = j;
    for (size_t i = 1; i <= a_len; i++) {
        size_t *now = rows[i % 3];

        now[0] = i;
        for (size_t j = 1; j <= b_len; j++) {
            size_t cost = a[i - 1] == b[j - 1] ? 0 : 1;
            bool swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
            size_t other = swapped ? rows[(i + 1) % 3][j - 2] + 1 : SIZE_MAX;
            size_t last = MIN(rows[(i + 2) % 3][j], now[j - 1]) + 1;

            now[j] = MIN(MIN(last, rows[(i + 2) % 3][j - 1] + cost), other);
        }
    }
    return rows[a_len % 3][b_len];
}

void suggest_offer(struct suggest *suggest, const char *name)
{
    size_t word_len = strlen(suggest->word), name_len = strlen(name);

    if (word_len == 0 || word_len > SUGGEST_NAME_MAX || name_len > SUGGEST_NAME_MAX)
        return;
    size_t far = distance(suggest->word, word_len, name, name_len);
    if (word_len >= 3 && strncmp(suggest->word, name, word_len) == 0)
        far = 1;
    if (far < suggest->best_distance) {
        suggest->best_distance = far;
        suggest->best = name;
    }
}

const char *suggest_best(const struct suggest *suggest)
{
    size_t len = strlen(suggest->word);

    return suggest->best != NULL && suggest->best_distance <= MAX(len / 3, (size_t)1)
               ? suggest->best
               : NULL;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "base/clock.h"
#include "base/err.h"
#include "control/daemon_priv.h"
#include "control/maintenance.h"
#include "control/state.h"

struct maintenance {
    char *page; /* NULL: the usual one */
    char user[STATE_USER_BYTES];
    int64_t since_ms;
};

static struct maintenance *find(const struct daemon *daemon, const char *system)
{
    return map_find(&daemon->maintenance, str_of(system));
}

static void maintenance_free(struct maintenance *maintenance)
{
    if (maintenance == NULL)
        return;
    free(maintenance->page);
    free(maintenance);
}

static void keep(void *arg, const char *system, const struct state_maintenance *row)
{
    struct daemon *daemon = arg;
    struct maintenance *maintenance = NEW(struct maintenance);

    maintenance->page = row->page == NULL ? NULL : mem_copy_text(row->page);
    str_format(maintenance->user, sizeof maintenance->user, "%s", row->user);
    maintenance->since_ms = row->since_ms;
    maintenance_free(map_set(&daemon->maintenance, str_of(system), maintenance));
}

bool maintenance_load(struct daemon *daemon, struct err *err)
{
    return state_each_maintenance(daemon->state, keep, daemon, err);
}

void maintenance_done(struct daemon *daemon)
{
    struct map_entry *entry;

    for (size_t i = 0; (entry = map_next(&daemon->maintenance, &i)) != NULL;)
        maintenance_free(entry->value);
    map_done(&daemon->maintenance);
}

static bool check_page(const struct daemon *daemon, const char *system, const char *page,
                       struct err *err)
{
    const struct system *of = daemon_find_system(daemon, system);
    size_t len = page == NULL ? 0 : strlen(page);
    size_t routes = 1;

    if (page != NULL && len == 0)
        return err_set(err, ERR_INVALID, "the page is empty; leave 'page' out for the usual one");
    if (len > MAINTENANCE_PAGE_BYTES)
        return err_set(err, ERR_LIMIT, "the page has %zu bytes, at most %d are accepted", len,
                       MAINTENANCE_PAGE_BYTES);
    if (of != NULL && of->wanted != NULL)
        routes += of->wanted->compose->x.route_count;
    if (len * routes > MAINTENANCE_TABLE_BYTES)
        return err_set(err, ERR_LIMIT,
                       "the page has %zu bytes, too many for a system of %zu routes; at most %zu "
                       "are accepted",
                       len, routes, MAINTENANCE_TABLE_BYTES / routes);
    return true;
}

bool maintenance_begin(struct daemon *daemon, const char *system, const char *page,
                       const struct caller *caller, struct err *err)
{
    const struct maintenance *former = find(daemon, system);
    struct state_maintenance row = {.page = page,
                                    .user = caller->user,
                                    .since_ms =
                                        former == NULL ? clock_wall_ms() : former->since_ms};

    if (!check_page(daemon, system, page, err) ||
        !state_save_maintenance(daemon->state, system, &row, err))
        return false;
    keep(daemon, system, &row);
    daemon_publish(daemon);
    return true;
}

bool maintenance_end(struct daemon *daemon, const char *system, struct err *err)
{
    if (!state_delete_maintenance(daemon->state, system, err))
        return false;
    maintenance_free(map_remove(&daemon->maintenance, str_of(system)));
    daemon_publish(daemon);
    return true;
}

json_t *maintenance_json(const struct daemon *daemon, const char *system)
{
    const struct maintenance *maintenance = find(daemon, system);

    if (maintenance == NULL)
        return json_pack("{s:b, s:n, s:n, s:n}", "on", 0, "since_ms", "user", "page");
    return json_pack("{s:b, s:I, s:s, s:s?}", "on", 1, "since_ms",
                     (json_int_t)maintenance->since_ms, "user", maintenance->user, "page",
                     maintenance->page);
}

void maintenance_write(const struct daemon *daemon, const char *system, json_t *row)
{
    const struct maintenance *maintenance = find(daemon, system);
    json_t *member;

    if (maintenance == NULL)
        return;
    member = json_object();
    if (maintenance->page != NULL)
        (void)json_object_set_new(member, "page", json_string(maintenance->page));
    (void)json_object_set_new(row, "maintenance", member);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <signal.h>
#include <stdio.h>
#include <sys/random.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "control/daemon_priv.h"
#include "control/state.h"
#include "watch/log_read.h"

/* Docker's figures: 100 ms, doubled each time, at most a minute, forgotten after
 * ten seconds of life. */
enum {
    BACKOFF_FIRST_MS = 100,
    BACKOFF_MAX_MS = 60000,
    STABLE_MS = 10000,
    DRAIN_MAX_MS = 600000,
    REMOVE_TRIES = 5,
    REMOVE_PAUSE_MS = 1000
};

struct instance *system_find_instance(const struct system *system, const char *id)
{
    LIST_FOR_EACH (node, &system->instances) {
        struct instance *instance = CONTAINER_OF(node, struct instance, link);
        if (strcmp(instance->id, id) == 0)
            return instance;
    }
    return NULL;
}

void instance_format_name(const struct instance *instance, char *ret)
{
    str_format(ret, RUNTIME_ID_MAX + 1, "%.30s-%.24s%s-%u", instance->system->name,
               instance->made_of->service->name, instance->is_job ? "-migrate" : "",
               instance->number % 10000);
}

/* "eshop-backend-1-3f9a": names that are not host names lose what does not fit. */
static void choose_id(struct instance *instance)
{
    char name[RUNTIME_ID_MAX + 1];
    uint32_t random = 0;

    instance_format_name(instance, name);
    name[RUNTIME_ID_MAX - 9] = '\0';
    for (char *c = name; *c != '\0'; c++)
        if (*c >= 'A' && *c <= 'Z')
            *c = (char)(*c + ('a' - 'A'));
        else if (!(*c >= 'a' && *c <= 'z') && !(*c >= '0' && *c <= '9'))
            *c = '-';
    ssize_t drawn = getrandom(&random, sizeof random, 0);
    assert(drawn == (ssize_t)sizeof random);
    str_format(instance->id, sizeof instance->id, "%s-%06x", name, random & 0xffffff);
}

static char *log_path_of(const struct instance *instance)
{
    struct buf path = {0};

    buf_addf(&path, "%s/logs/%s/%s.log", instance->system->daemon->options.state_dir,
             instance->system->name, instance->id);
    return buf_take(&path);
}

static struct instance *make(struct system *system, struct release *release, size_t service)
{
    struct instance *instance = NEW(struct instance);

    instance->system = system;
    instance->release = release_ref(release);
    instance->made_of = &release->services[service];
    list_push(&system->instances, &instance->link);
    return instance;
}

struct instance *instance_load(struct system *system, struct release *release, size_t service,
                               const char *id)
{
    struct instance *instance = make(system, release, service);

    str_format(instance->id, sizeof instance->id, "%s", id);
    instance->log_path = log_path_of(instance);
    return instance;
}

struct instance *instance_new(struct system *system, struct release *release, size_t service,
                              uint32_t number, bool is_job, struct err *err)
{
    struct daemon *daemon = system->daemon;
    struct instance *instance = make(system, release, service);
    const char *mode = instance->made_of->service->network_mode;

    instance->number = number;
    instance->is_job = is_job;
    instance->created_wall_ms = clock_wall_ms();
    choose_id(instance);
    instance->log_path = log_path_of(instance);
    bool has_address = mode == NULL || strcmp(mode, "host") != 0;
    if ((has_address && !state_address(daemon->state, instance->id, instance->address, err)) ||
        !state_save_instance(daemon->state, instance, err)) {
        instance_free(instance);
        return NULL;
    }
    return instance;
}

void instance_free(struct instance *instance)
{
    check_stop(instance);
    timer_clear(&instance->timer);
    list_remove(&instance->link);
    release_unref(instance->release);
    free(instance->log_path);
    free(instance);
}

static void on_freed(struct deferred *deferred)
{
    struct instance *instance = CONTAINER_OF(deferred, struct instance, freeing);
    struct system *system = instance->system;

    prune_logs(instance);
    instance_free(instance);
    system_touch(system);
}

/* ---- actions ---- */

/* A late answer of the runtime finds its instance by id: it may be gone. */
struct late {
    struct daemon *daemon;
    char system[SYSTEM_NAME_MAX + 1];
    char id[RUNTIME_ID_MAX + 1];
};

static struct late *late_new(const struct instance *instance)
{
    struct late *late = NEW(struct late);

    late->daemon = instance->system->daemon;
    str_format(late->system, sizeof late->system, "%s", instance->system->name);
    str_format(late->id, sizeof late->id, "%s", instance->id);
    return late;
}

static struct instance *late_find(struct late *late)
{
    struct system *system = daemon_find_system(late->daemon, late->system);
    return system == NULL ? NULL : system_find_instance(system, late->id);
}

static void on_started(void *arg, const struct err *err)
{
    struct late *late = arg;
    struct instance *instance = late_find(late);

    free(late);
    if (instance == NULL)
        return;
    if (err != NULL)
        instance_event(instance, INSTANCE_ON_START_FAILED, err->text);
    else
        instance_event(instance, INSTANCE_ON_STARTED, NULL);
}

static void act_start(struct instance *instance)
{
    struct daemon *daemon = instance->system->daemon;
    AUTO(arena_done) struct arena arena = {0};
    struct instance_spec spec;
    struct err err;

    instance->stopped = false;
    daemon_publish(daemon); /* its names must resolve when it asks */
    if (!spec_make(instance, &arena, &spec, &err)) {
        instance_event(instance, INSTANCE_ON_START_FAILED, err.text);
        return;
    }
    struct late *late = late_new(instance);
    if (!daemon->runtime->ops->start(daemon->runtime, &spec, on_started, late, &err)) {
        free(late);
        instance_event(instance, INSTANCE_ON_START_FAILED, err.text);
    }
}

static void on_state_timeout(struct timer *timer, uint64_t now_ns)
{
    struct instance *instance = CONTAINER_OF(timer, struct instance, timer);

    (void)now_ns;
    instance_event(instance, INSTANCE_ON_TIMEOUT, NULL);
}

static void set_timer(struct instance *instance, uint64_t after_ms)
{
    struct loop *loop = instance->system->daemon->loop;
    timer_set(loop, &instance->timer, loop_now_ns(loop) + after_ms * NS_PER_MS, on_state_timeout);
}

static void act_check(struct instance *instance)
{
    struct loop *loop = instance->system->daemon->loop;

    instance->started_wall_ms = clock_wall_ms();
    instance->started_ns = loop_now_ns(loop);
    check_start(instance);
}

static int stop_signal(const struct instance *instance)
{
    static const struct {
        const char *name;
        int number;
    } names[] = {{"TERM", SIGTERM}, {"INT", SIGINT},   {"QUIT", SIGQUIT},
                 {"KILL", SIGKILL}, {"HUP", SIGHUP},   {"USR1", SIGUSR1},
                 {"USR2", SIGUSR2}, {"ABRT", SIGABRT}, {"WINCH", SIGWINCH}};
    const char *text = instance->made_of->service->stop_signal;
    uint64_t number;

    if (text == NULL && instance->made_of->image != NULL)
        text = instance->made_of->image->stop_signal;
    struct str name = str_of(text);
    if (str_starts(name, STR("SIG")))
        name = str_sub(name, 3, name.len);
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (str_is(name, names[i].name))
            return names[i].number;
    return str_to_u64(name, 64, &number) && number > 0 ? (int)number : SIGTERM;
}

static void send_signal(struct instance *instance, int signo)
{
    struct daemon *daemon = instance->system->daemon;
    struct err err;

    if (!daemon->runtime->ops->signal(daemon->runtime, instance->id, signo, &err))
        log_warn("daemon", "%s: signal %d: %s", instance->id, signo, err.text);
}

static void act_term(struct instance *instance)
{
    const struct operation *operation = instance->system->operation;
    uint64_t grace_ms = instance->made_of->service->stop_grace_period_ms;

    if (operation != NULL && operation->grace_ms != UINT64_MAX)
        grace_ms = operation->grace_ms;
    check_stop(instance);
    set_timer(instance, grace_ms);
    daemon_publish(instance->system->daemon);
    send_signal(instance, stop_signal(instance));
}

static void act_kill(struct instance *instance)
{
    struct runtime *runtime = instance->system->daemon->runtime;
    struct runtime_status status = {0};
    struct err err;

    if (runtime->ops->inspect(runtime, instance->id, &status, &err) &&
        status.state != RUNTIME_RUNNING) {
        instance_exited(instance); /* its end was not noticed */
        return;
    }
    set_timer(instance, 5000); /* asked again if the kernel takes its time */
    send_signal(instance, SIGKILL);
}

static void on_nothing_to_drain(struct deferred *deferred)
{
    struct instance *instance = CONTAINER_OF(deferred, struct instance, drained);

    if (!instance->at_edge) /* this round's table may have told the edge of it after all */
        instance_event(instance, INSTANCE_ON_DRAINED, NULL);
}

/* The edge answers with "idle" when the last request has ended. What it was never told of is
 * drained as soon as the network has taken its name away. */
static void act_drain(struct instance *instance)
{
    struct daemon *daemon = instance->system->daemon;

    check_stop(instance);
    set_timer(instance, DRAIN_MAX_MS);
    daemon_publish(daemon);
    if (!instance->at_edge)
        loop_defer(daemon->loop, &instance->drained, on_nothing_to_drain);
}

static void act_backoff(struct instance *instance)
{
    uint64_t after_ms = BACKOFF_FIRST_MS;

    check_stop(instance);
    for (uint32_t i = 1; i < instance->failures && after_ms < BACKOFF_MAX_MS; i++)
        after_ms *= 2;
    set_timer(instance, MIN(after_ms, (uint64_t)BACKOFF_MAX_MS));
    daemon_publish(instance->system->daemon);
}

static void on_remove_again(struct timer *timer, uint64_t now_ns);

static void on_removed(void *arg, const struct err *err)
{
    struct late *late = arg;
    struct instance *instance = late_find(late);

    free(late);
    if (instance == NULL)
        return;
    struct daemon *daemon = instance->system->daemon;
    struct err failure;
    if (err != NULL && instance->remove_tries++ < REMOVE_TRIES) {
        log_warn("daemon", "%s: cannot remove all of it, tried again: %s", instance->id, err->text);
        timer_set(daemon->loop, &instance->timer,
                  loop_now_ns(daemon->loop) + REMOVE_PAUSE_MS * NS_PER_MS, on_remove_again);
        return;
    }
    if (!state_delete_instance(daemon->state, instance->id, &failure) ||
        !state_forget_address(daemon->state, instance->id, &failure))
        log_error("daemon", "%s: %s", instance->id, failure.text);
    loop_defer(daemon->loop, &instance->freeing, on_freed);
}

static void act_remove(struct instance *instance)
{
    struct daemon *daemon = instance->system->daemon;
    struct late *late = late_new(instance);
    struct err err;

    timer_clear(&instance->timer);
    daemon_publish(daemon);
    if (!daemon->runtime->ops->remove(daemon->runtime, instance->id, on_removed, late, &err))
        on_removed(late, &err);
}

static void on_remove_again(struct timer *timer, uint64_t now_ns)
{
    (void)now_ns;
    act_remove(CONTAINER_OF(timer, struct instance, timer));
}

static void act_settle(struct instance *instance)
{
    check_stop(instance);
    timer_clear(&instance->timer);
    daemon_publish(instance->system->daemon);
    if (instance->is_job)
        migration_ended(instance);
}

static void act_publish(struct instance *instance)
{
    daemon_publish(instance->system->daemon);
}

static void act_nothing(struct instance *instance)
{
    (void)instance;
}

typedef void action_fn(struct instance *instance);
static action_fn *const actions[INSTANCE_ACTION_COUNT] = {
    [INSTANCE_DO_NOTHING] = act_nothing, [INSTANCE_DO_START] = act_start,
    [INSTANCE_DO_CHECK] = act_check,     [INSTANCE_DO_PUBLISH] = act_publish,
    [INSTANCE_DO_DRAIN] = act_drain,     [INSTANCE_DO_TERM] = act_term,
    [INSTANCE_DO_KILL] = act_kill,       [INSTANCE_DO_BACKOFF] = act_backoff,
    [INSTANCE_DO_SETTLE] = act_settle,   [INSTANCE_DO_REMOVE] = act_remove,
};

/* ---- events ---- */

static void note(struct instance *instance, enum instance_event event)
{
    struct loop *loop = instance->system->daemon->loop;
    bool ended = event == INSTANCE_ON_EXIT_AGAIN || event == INSTANCE_ON_EXIT_FINAL;

    if (event == INSTANCE_ON_STOP || event == INSTANCE_ON_START)
        instance->stopped = event == INSTANCE_ON_STOP;
    if (ended && instance->started_ns != 0 &&
        loop_now_ns(loop) - instance->started_ns > STABLE_MS * NS_PER_MS)
        instance->failures = 0;
    if ((ended && !instance->stopped) || event == INSTANCE_ON_START_FAILED)
        instance->failures++;
    if (event == INSTANCE_ON_HEALTHY)
        instance->check_failures = 0;
    if (event == INSTANCE_ON_TIMEOUT && instance->state == INSTANCE_BACKOFF)
        instance->restarts++;
}

void instance_event(struct instance *instance, enum instance_event event, const char *detail)
{
    struct system *system = instance->system;
    const struct instance_transition *row = instance_fsm_next(instance->state, event);
    char name[RUNTIME_ID_MAX + 1];
    struct err err;

    if (row == NULL)
        return;
    note(instance, event);
    if (event == INSTANCE_ON_START_FAILED)
        str_format(instance->start_error, sizeof instance->start_error, "%s", detail);
    if (event == INSTANCE_ON_STARTED)
        instance->start_error[0] = '\0';
    instance->state = row->to;
    timer_clear(&instance->timer);
    if (!state_save_instance(system->daemon->state, instance, &err))
        log_error("daemon", "%s: cannot store its state: %s", instance->id, err.text);
    instance_format_name(instance, name);
    AUTO(buf_done) struct buf text = {0};
    buf_addf(&text, "%s%s%s", row->why, detail == NULL ? "" : ": ", detail == NULL ? "" : detail);
    log_info("daemon", "%s: %s -> %s: %s", instance->id, instance_state_name(row->from),
             instance_state_name(row->to), buf_text(&text));
    if (!instance->is_job) /* a migration tells of itself */
        operation_step(system, instance->made_of->service->name, name, instance_state_name(row->to),
                       buf_text(&text));
    actions[row->action](instance);
    system_touch(system);
}

static bool starts_again(const struct instance *instance, int exit_status)
{
    const struct compose_service *service = instance->made_of->service;

    if (instance->is_job || instance->stopped)
        return false;
    switch (service->restart) {
    case RESTART_NO:
        return false;
    case RESTART_ALWAYS:
    case RESTART_UNLESS_STOPPED:
        return true;
    case RESTART_ON_FAILURE:
        return exit_status != 0 && (service->restart_max_retries == 0 ||
                                    instance->restarts < service->restart_max_retries);
    }
    return false;
}

void instance_begin_afresh(struct instance *instance)
{
    bool completed = instance->state == INSTANCE_EXITED && instance->exit_status == 0;

    instance->failures = 0;
    if (instance->state == INSTANCE_EXITED && !completed)
        instance->stopped = true; /* the plan starts what was stopped */
    if (instance->state == INSTANCE_UNHEALTHY)
        instance_event(instance, INSTANCE_ON_STOP, "it is made anew");
}

void instance_exited(struct instance *instance)
{
    struct daemon *daemon = instance->system->daemon;
    struct runtime_status status = {0};
    char detail[64];
    struct err err;

    if (!daemon->runtime->ops->inspect(daemon->runtime, instance->id, &status, &err)) {
        log_error("daemon", "%s: %s", instance->id, err.text);
        status = (struct runtime_status){.state = RUNTIME_EXITED, .exit_status = 255};
    }
    if (status.state == RUNTIME_RUNNING)
        return;
    instance->exit_status = status.state == RUNTIME_EXITED ? status.exit_status : 255;
    str_format(detail, sizeof detail, "status %d%s", instance->exit_status,
               status.out_of_memory ? ", out of memory" : "");
    instance_event(instance,
                   starts_again(instance, instance->exit_status) ? INSTANCE_ON_EXIT_AGAIN
                                                                 : INSTANCE_ON_EXIT_FINAL,
                   detail);
}

/* ---- adoption ---- */

static void adopt_running(struct instance *instance)
{
    instance->started_ns = loop_now_ns(instance->system->daemon->loop);
    switch (instance->state) {
    case INSTANCE_PENDING:
    case INSTANCE_STARTING:
    case INSTANCE_BACKOFF:
        instance_event(instance, INSTANCE_ON_STARTED, NULL);
        break;
    case INSTANCE_WARMING:
    case INSTANCE_READY:
    case INSTANCE_UNHEALTHY:
        check_start(instance);
        break;
    case INSTANCE_DRAINING:
        act_drain(instance);
        break;
    case INSTANCE_STOPPING:
        act_term(instance);
        break;
    case INSTANCE_EXITED: /* it was made to end: make sure */
        send_signal(instance, SIGKILL);
        break;
    case INSTANCE_GONE:
    case INSTANCE_STATE_COUNT:
        break;
    }
}

void instance_adopt(struct instance *instance)
{
    struct daemon *daemon = instance->system->daemon;
    struct runtime_status status = {0};
    struct err err;

    if (!daemon->runtime->ops->inspect(daemon->runtime, instance->id, &status, &err))
        log_warn("daemon", "%s: %s", instance->id, err.text);
    if (instance->state == INSTANCE_GONE)
        act_remove(instance);
    else if (instance->state == INSTANCE_EXITED && instance->is_job)
        migration_ended(instance);
    else if (status.state == RUNTIME_RUNNING)
        adopt_running(instance);
    else if (instance->state == INSTANCE_STARTING && status.state != RUNTIME_EXITED)
        instance_event(instance, INSTANCE_ON_START_FAILED, "the daemon ended meanwhile");
    else if (instance->state == INSTANCE_BACKOFF)
        act_backoff(instance);
    else if (instance_state_is_live(instance->state))
        instance_exited(instance);
}

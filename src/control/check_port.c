/* SPDX-License-Identifier: Apache-2.0
 *
 * Where a service listens that does not listen on the port that traffic goes to:
 * on another one, or on 127.0.0.1 only. Whoever brings it up is told at once,
 * and not kept waiting for what will not come.
 */
#include "base/base.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "control/daemon_priv.h"
#include "io/socket.h"

enum { LOOK_MS = 500, ELSEWHERE_MS = 3000 };

static void find_listeners(const struct instance *instance, struct socket_listeners *ret)
{
    struct runtime *runtime = instance->system->daemon->runtime;
    struct runtime_status status = {0};
    struct err err;

    *ret = (struct socket_listeners){0};
    if (runtime->ops->inspect(runtime, instance->id, &status, &err) && status.pid > 0)
        socket_find_listeners(status.pid, ret);
}

static const struct socket_listener *find_port(const struct socket_listeners *listeners,
                                               uint16_t port)
{
    for (size_t i = 0; i < listeners->count; i++)
        if (listeners->items[i].port == port)
            return &listeners->items[i];
    return NULL;
}

bool check_port_is_elsewhere(struct instance *instance, uint16_t port, uint64_t now_ns)
{
    struct socket_listeners listeners;

    if (now_ns - instance->port_looked_ns < LOOK_MS * NS_PER_MS)
        return false;
    instance->port_looked_ns = now_ns;
    find_listeners(instance, &listeners);
    const struct socket_listener *there = find_port(&listeners, port);
    if (listeners.count == 0 || (there != NULL && !there->only_local)) {
        instance->port_elsewhere_ns = 0;
        return false;
    }
    if (instance->port_elsewhere_ns == 0)
        instance->port_elsewhere_ns = now_ns;
    return now_ns - instance->port_elsewhere_ns >= ELSEWHERE_MS * NS_PER_MS;
}

static void add_ports(const struct socket_listeners *listeners, struct buf *text)
{
    for (size_t i = 0; i < listeners->count; i++)
        buf_addf(text, "%s%u%s",
                 i == 0                      ? ""
                 : i + 1 == listeners->count ? " and "
                                             : ", ",
                 (unsigned)listeners->items[i].port,
                 listeners->items[i].only_local ? " of 127.0.0.1" : "");
}

void check_port_tell(const struct instance *instance, uint16_t port)
{
    const char *service = instance->made_of->service->name;
    struct socket_listeners listeners;
    AUTO(buf_done) struct buf text = {0};

    if (instance->number > 1)
        return; /* they are alike */
    find_listeners(instance, &listeners);
    const struct socket_listener *there = find_port(&listeners, port);
    if (there != NULL && there->only_local) {
        buf_addf(&text,
                 "'%s' listens on port %u of 127.0.0.1 only, where nobody outside it gets to; let "
                 "it listen on 0.0.0.0",
                 service, (unsigned)port);
    } else if (listeners.count > 0) {
        buf_addf(&text, "'%s' does not listen on its port %u, but on ", service, (unsigned)port);
        add_ports(&listeners, &text);
        buf_add_text(&text, "; name that port in the file, or let it listen on the other");
    } else {
        buf_addf(&text,
                 "'%s' listens on no port yet, and traffic is sent to its port %u; it is refused "
                 "until something listens there",
                 service, (unsigned)port);
    }
    operation_warn(instance->system, buf_text(&text));
}

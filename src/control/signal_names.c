/* SPDX-License-Identifier: Apache-2.0
 *
 * Which signal ends an instance.
 */
#include "base/base.h"

#include <signal.h>

#include "base/err.h"
#include "base/signal_name.h"
#include "control/daemon_priv.h"

const char *signal_stop_name(const struct instance *instance)
{
    const char *text = instance->made_of->service->stop_signal;

    if (text == NULL && instance->made_of->image != NULL)
        text = instance->made_of->image->stop_signal;
    return text;
}

int signal_stop_of(const struct instance *instance)
{
    const char *text = signal_stop_name(instance);
    struct err ignored;
    int signo;

    return text != NULL && signal_name_parse(text, &signo, &ignored) ? signo : SIGTERM;
}

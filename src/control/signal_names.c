/* SPDX-License-Identifier: Apache-2.0
 *
 * Signals by the names that people write: TERM, SIGTERM, sigterm, 15.
 */
#include "base/base.h"

#include <signal.h>

#include "base/err.h"
#include "control/daemon_priv.h"

/* Those of signal(7) that mean the same on every machine; the real-time ones by number. */
static const struct {
    const char *name;
    int number;
} names[] = {
    {"HUP", SIGHUP},   {"INT", SIGINT},       {"QUIT", SIGQUIT}, {"ILL", SIGILL},
    {"TRAP", SIGTRAP}, {"ABRT", SIGABRT},     {"BUS", SIGBUS},   {"FPE", SIGFPE},
    {"KILL", SIGKILL}, {"USR1", SIGUSR1},     {"SEGV", SIGSEGV}, {"USR2", SIGUSR2},
    {"PIPE", SIGPIPE}, {"ALRM", SIGALRM},     {"TERM", SIGTERM}, {"STKFLT", SIGSTKFLT},
    {"CHLD", SIGCHLD}, {"CONT", SIGCONT},     {"STOP", SIGSTOP}, {"TSTP", SIGTSTP},
    {"TTIN", SIGTTIN}, {"TTOU", SIGTTOU},     {"URG", SIGURG},   {"XCPU", SIGXCPU},
    {"XFSZ", SIGXFSZ}, {"VTALRM", SIGVTALRM}, {"PROF", SIGPROF}, {"WINCH", SIGWINCH},
    {"IO", SIGIO},     {"POLL", SIGPOLL},     {"PWR", SIGPWR},   {"SYS", SIGSYS},
    {"IOT", SIGIOT},
};

enum { SIGNAL_MAX = 64, NAME_BYTES = 16 };

bool signal_parse(const char *text, int *ret, struct err *err)
{
    char name[NAME_BYTES] = "";
    uint64_t number;

    if (str_to_u64(str_of(text), SIGNAL_MAX, &number) && number > 0) {
        *ret = (int)number;
        return true;
    }
    for (size_t i = 0; text[i] != '\0' && i + 1 < sizeof name; i++)
        name[i] = text[i] >= 'a' && text[i] <= 'z' ? (char)(text[i] - ('a' - 'A')) : text[i];
    const char *bare = strncmp(name, "SIG", 3) == 0 ? name + 3 : name;
    for (size_t i = 0; strlen(text) < sizeof name && i < ARRAY_LEN(names); i++)
        if (strcmp(bare, names[i].name) == 0) {
            *ret = names[i].number;
            return true;
        }
    return err_set(err, ERR_INVALID,
                   "'%.40s' is no signal; write a name such as SIGTERM, or a number from 1 to %d",
                   text, SIGNAL_MAX);
}

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

    return text != NULL && signal_parse(text, &signo, &ignored) ? signo : SIGTERM;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <signal.h>

#include "base/signal_name.h"
#include "base/str.h"

/* Those of signal(7) that mean the same on every machine; the real-time ones count from an end. */
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

enum { SIGNAL_MAX = 64, REAL_TIME_MIN = 34, NAME_BYTES = 16 };

/* "RTMIN", "RTMIN+3", "RTMAX-1": 0 for anything else. Docker counts from 34 to 64 as well. */
static int parse_real_time(const char *text)
{
    bool from_min = strncmp(text, "RTMIN", 5) == 0;
    uint64_t steps = 0;

    if (!from_min && strncmp(text, "RTMAX", 5) != 0)
        return 0;
    if (text[5] != '\0' && (text[5] != (from_min ? '+' : '-') ||
                            !str_to_u64(str_of(text + 6), SIGNAL_MAX - REAL_TIME_MIN, &steps)))
        return 0;
    return from_min ? REAL_TIME_MIN + (int)steps : SIGNAL_MAX - (int)steps;
}

bool signal_name_parse(const char *text, int *ret, struct err *err)
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
    if (strlen(text) < sizeof name && parse_real_time(bare) > 0) {
        *ret = parse_real_time(bare);
        return true;
    }
    return err_set(err, ERR_INVALID,
                   "'%.40s' is no signal; write a name such as SIGTERM, or a number from 1 to %d",
                   text, SIGNAL_MAX);
}

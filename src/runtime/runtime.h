/* SPDX-License-Identifier: Apache-2.0
 *
 * What runs instances. One table of functions for each kind (host, engine,
 * swarm); the rest of the program knows nothing else. Lives in the daemon, on
 * its loop and thread: a call that takes more than some milliseconds starts a
 * child and reports through a callback, always later and exactly once.
 *
 * Everything a runtime keeps is on disk under its folders, so a daemon that was
 * killed finds every instance again by list() and continues; every action may
 * run twice.
 */
#pragma once

#include <sys/types.h>

#include "base/base.h"
#include "base/buf.h"
#include "compose/model.h"

struct arena;
struct err;
struct loop;
struct map;
struct runtime;

/* An instance's id: [a-z0-9-], at most RUNTIME_ID_MAX bytes, unique on the
 * machine, chosen by the caller: "eshop-backend-1-3f9a". */
enum { RUNTIME_ID_MAX = 63 };

/* From here on, user and group ids belong to systems, each to one. */
enum { RUNTIME_UID_FIRST = 700000 };

struct runtime_mount {
    const char *source; /* folder or file on the machine; NULL: tmpfs */
    const char *target;
    bool read_only;
    bool own;   /* give the folder to the instance's user when it is made or empty, or
                   when the image says it is a data folder */
    bool adopt; /* give it all that is in it while it belongs to no system's user: somebody has
                   copied it there, as from another engine's volume */
    uint64_t tmpfs_size_bytes;
    uint32_t tmpfs_mode;
    const char *subpath;     /* folder or file within <source>, which stays within it; NULL: none */
    const char *propagation; /* "rslave", ...; NULL: "rprivate" */
};

/* A secret or config: a copy of <source> with this owner and mode, read-only inside. */
struct runtime_file {
    const char *source; /* file on the machine */
    const char *target;
    uid_t uid;
    gid_t gid;
    mode_t mode;
};

/* A name that resolves inside the instance. */
struct runtime_host {
    const char *name;
    const char *address;
};

struct instance_spec {
    const char *id;
    const char *system;
    const struct compose_service *service;
    const char *hostname;
    const char *address; /* IPv4 of the instance, "10.213.4.7"; NULL: the machine's network */
    uid_t uid;           /* and gid: unprivileged, one for each service, chosen by the caller */
    const char *tree;    /* built tree laid over the root (from build()); NULL: none */
    const struct runtime_mount *mounts;
    size_t mount_count;
    const struct runtime_file *files;
    size_t file_count;
    const struct runtime_host *hosts;
    size_t host_count;
    const char *joins;     /* id of a running instance whose network it shares; NULL: none */
    const char *joins_pid; /* the same for `pid: service:x` */
    const char *joins_ipc; /* and `ipc: service:x` */
    const struct compose_texts *argv; /* runs this instead of the service's command; NULL: normal */
    const struct compose_pairs *environment; /* added to the service's; NULL: none */
    const char *log_path;                    /* k8s-file format, see watch/ */
    uint64_t log_max_bytes;                  /* hard bound of one file; rotation is the caller's */
};

enum runtime_state {
    RUNTIME_ABSENT,  /* nothing of it is left */
    RUNTIME_CREATED, /* prepared, never ran or half started: may be removed */
    RUNTIME_RUNNING,
    RUNTIME_EXITED,
};

struct runtime_status {
    enum runtime_state state;
    pid_t pid;          /* of its first process; 0 unless RUNNING */
    int exit_status;    /* as a shell shows it: 0..255, 128+n for signal n */
    bool out_of_memory; /* EXITED: killed for its memory limit */
    bool paused;        /* RUNNING: frozen */
    int64_t exited_wall_ms;
};

struct runtime_usage {
    uint64_t cpu_ns;
    uint64_t memory_bytes;
    uint64_t memory_limit_bytes; /* 0: none */
    uint32_t pids;
    uint64_t received_bytes; /* network */
    uint64_t sent_bytes;
    uint64_t read_bytes; /* disk */
    uint64_t written_bytes;
};

/* conmon's: a SOCK_SEQPACKET socket whose packets are one byte for the stream (2 standard output, 3
 * standard error) and what was written, and a fifo that takes "1 ROWS COLUMNS\n". */
struct runtime_attach {
    const char *socket;
    const char *control;
};

/* One process of an instance, numbered as the machine does. Texts belong to the caller's arena. */
struct runtime_process {
    pid_t pid;
    pid_t parent;
    uid_t uid;
    const char *tty; /* "pts/0"; "?": none */
    int64_t started_wall_ms;
    uint64_t cpu_ms;
    const char *command; /* foreign text */
};

/* What takes an image's place. Without <recipe> the service's own command runs. */
struct runtime_stand_in {
    const char *recipe;  /* NULL: none */
    const char *version; /* "": any */
    const char *package; /* Debian package that has it */
    const char *program;
    bool built; /* from its build context */
};

/* <err> is NULL on success. */
typedef void runtime_done_fn(void *arg, const struct err *err);
typedef void runtime_output_fn(void *arg, struct str bytes);
/* <exit_status> as in runtime_status; -1 with <err> set when it could not run or timed out. */
typedef void runtime_exec_fn(void *arg, int exit_status, struct str output, const struct err *err);
typedef void runtime_exit_fn(void *arg, const char *id);
typedef void runtime_list_fn(void *arg, const char *id);

/* What an image brings that the file need not say. Texts live as long as the runtime. */
struct runtime_image {
    const char *stop_signal; /* NULL: SIGTERM */
    bool exclusive;          /* two cannot share a data folder: replace by stop, then start */
    uint16_t port;           /* 0: none */
    const char *note;        /* what a person should know who brings it up; NULL: nothing */
    struct compose_healthcheck healthcheck; /* count 0: none */
    struct compose_texts volumes;           /* targets that are volumes of their own (VOLUME) */
};

struct build_spec {
    const char *system;
    const struct compose_service *service;
    uid_t uid;
    bool fresh;                      /* another tree than any before, made without what was kept */
    char *const *caller_environment; /* proxy and package client settings are taken from it */
};

/* The machine, as an instance with an address of its own sees it. */
#define RUNTIME_GATEWAY "169.254.1.1"

/* Whom the edge runs as; below the systems' users. */
#define RUNTIME_EDGE_UID 699999

/* Addresses inside the machine. The whole wanted state at once, applied
 * atomically: what is not in it goes away. */
struct runtime_endpoint {
    const char *id; /* of an instance with an address */
    const char *address;
    const char **reaches; /* addresses of instances and services it may open connections to */
    size_t reach_count;
    bool outside; /* may open connections to the world */
    bool machine; /* may open connections to the machine, at RUNTIME_GATEWAY */
};

struct runtime_service_address {
    const char *address;    /* stable, what the name resolves to */
    const char **instances; /* addresses, ready ones; none: refused at once */
    size_t instance_count;
};

struct runtime_target {
    const char *address; /* of an instance */
    uint16_t port;
};

/* A published UDP port: from outside and from the machine itself. */
struct runtime_publication {
    const char *address; /* of the machine; NULL: every one */
    uint16_t port;
    const struct runtime_target *targets; /* ready ones; none: refused at once */
    size_t target_count;
};

struct runtime_network {
    const struct runtime_endpoint *endpoints;
    size_t endpoint_count;
    const struct runtime_service_address *services;
    size_t service_count;
    const struct runtime_publication *publications;
    size_t publication_count;
    const char *const *leaving; /* addresses that get nothing new, and may answer over UDP */
    size_t leaving_count;       /* what they were asked */
};

struct runtime_ops {
    const char *name;

    /* Are the programs and kernel features there? The error names the missing
     * program and the Debian package that has it. */
    bool (*check)(struct runtime *runtime, struct err *err);

    /* NULL with ERR_NOT_FOUND when nothing here can run <service>: an image
     * without a stand-in, a build without x-ishizue.host. */
    const struct runtime_image *(*image_find)(struct runtime *runtime,
                                              const struct compose_service *service,
                                              struct err *err);

    /* Names the tree that build() would make, from the context's content and the
     * steps; sets <ret_ready> when it is there already. */
    bool (*build_key)(struct runtime *runtime, const struct build_spec *spec, struct arena *arena,
                      const char **ret_tree, bool *ret_ready, struct err *err);
    bool (*build)(struct runtime *runtime, const struct build_spec *spec, const char *tree,
                  runtime_output_fn *output, runtime_done_fn *done, void *arg, struct err *err);

    /* Ends the build of <tree> if one is under way: its <done> gets ERR_CLOSED, later. */
    void (*build_cancel)(struct runtime *runtime, const char *tree);

    /* Makes and starts the instance; <done> when its process runs. A failed start leaves nothing.
     */
    bool (*start)(struct runtime *runtime, const struct instance_spec *spec, runtime_done_fn *done,
                  void *arg, struct err *err);
    /* The same in two steps: what create() made waits for begin(), so that somebody can attach
     * first and loses no output. */
    bool (*create)(struct runtime *runtime, const struct instance_spec *spec, runtime_done_fn *done,
                   void *arg, struct err *err);
    bool (*begin)(struct runtime *runtime, const char *id, runtime_done_fn *done, void *arg,
                  struct err *err);
    bool (*signal)(struct runtime *runtime, const char *id, int signo, struct err *err);
    /* Freezes all its processes, or lets them go on. */
    bool (*pause)(struct runtime *runtime, const char *id, bool paused, runtime_done_fn *done,
                  void *arg, struct err *err);
    /* Where its terminal or its streams are, as soon as it is created. */
    bool (*attach)(struct runtime *runtime, const char *id, struct arena *arena,
                   struct runtime_attach *ret, struct err *err);
    /* Everything of an instance that is not running, except its log. */
    bool (*remove)(struct runtime *runtime, const char *id, runtime_done_fn *done, void *arg,
                   struct err *err);
    bool (*inspect)(struct runtime *runtime, const char *id, struct runtime_status *ret,
                    struct err *err);
    bool (*usage)(struct runtime *runtime, const char *id, struct runtime_usage *ret,
                  struct err *err);
    bool (*list)(struct runtime *runtime, runtime_list_fn *fn, void *arg, struct err *err);
    /* Its processes, the oldest first, at most 1000. */
    bool (*processes)(struct runtime *runtime, const char *id, struct arena *arena,
                      struct runtime_process **ret, size_t *ret_count, struct err *err);
    /* What runs <service> here; fails as image_find() does. */
    bool (*stand_in)(struct runtime *runtime, const struct compose_service *service,
                     struct arena *arena, struct runtime_stand_in *ret, struct err *err);
    /* Removes every built tree whose path is no key of <keep>, but the newest of each service.
     * ERR_LOCKED while something is being built. <done> may be called at once. */
    bool (*trees_collect)(struct runtime *runtime, const struct map *keep, runtime_done_fn *done,
                          void *arg, struct err *err);
    /* Every built tree of a system that has no instance. */
    bool (*trees_remove)(struct runtime *runtime, const char *system, runtime_done_fn *done,
                         void *arg, struct err *err);

    /* Runs <argv> inside, at most <timeout_ms>; output (both streams) is cut at 4 KiB. */
    bool (*exec)(struct runtime *runtime, const char *id, const struct compose_texts *argv,
                 uint64_t timeout_ms, runtime_exec_fn *done, void *arg, struct err *err);
    /* The command line that does the same on the caller's own terminal (`ishizue exec`):
     * <options> is what exec's flags said. */
    bool (*exec_argv)(struct runtime *runtime, const char *id, bool tty, const char *user,
                      const char *working_dir, const struct compose_pairs *environment,
                      struct arena *arena, struct compose_texts *ret, struct err *err);
    /* Tells the log writer that its file was renamed. */
    bool (*log_reopen)(struct runtime *runtime, const char *id, struct err *err);

    bool (*network_apply)(struct runtime *runtime, const struct runtime_network *wanted,
                          struct err *err);
    /* Writes the names that a running instance resolves anew, from <spec>'s id, service, hostname,
     * address and hosts. */
    bool (*names_apply)(struct runtime *runtime, const struct instance_spec *spec, struct err *err);
    void (*free)(struct runtime *runtime);
};

struct runtime {
    const struct runtime_ops *ops;
};

struct runtime_config {
    struct loop *loop;
    const char *state_dir;    /* "/var/lib/ishizue": survives a reboot */
    const char *run_dir;      /* "/run/ishizue": does not */
    const char *images_dir;   /* recipes of the stand-ins, *.yaml */
    runtime_exit_fn *on_exit; /* an instance's process ended */
    void *arg;
};

/* The embedded runtime, in host.c. */
MUST_CHECK struct runtime *host_runtime_new(const struct runtime_config *config, struct err *err);

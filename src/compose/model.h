/* SPDX-License-Identifier: Apache-2.0
 *
 * The resolved model of a compose project: text in (load.h), these structs out.
 * Everything is interpolated, merged, in long form and with absolute paths.
 * Owned by the arena given to compose_load(); read-only after that, so a
 * pointer to it may be shared by threads. Lists are arrays with a count; a text
 * that the file does not have is NULL; a number that it does not have is as the
 * comment says.
 */
#pragma once

#include "base/base.h"

/* Durations are in milliseconds, sizes in bytes. */

struct compose_pair {
    const char *key;
    const char *value; /* environment: never NULL after resolution */
};

struct compose_pairs {
    struct compose_pair *items;
    size_t count;
};

struct compose_texts {
    const char **items;
    size_t count;
};

/* Where something was written, for messages about the running system. */
struct compose_place {
    const char *file;
    uint32_t line;
    uint32_t column;
};

enum compose_port_protocol { PORT_TCP, PORT_UDP };

struct compose_port {
    const char *host_ip; /* NULL: every address */
    uint16_t published;  /* 0: any free port */
    uint16_t target;
    enum compose_port_protocol protocol;
    const char *app_protocol; /* "http", ...; NULL: none given */
    const char *mode;         /* "ingress" or "host" */
    struct compose_place place;
    uint16_t published_last; /* a range, of which one free port is taken; else <published> or 0 */
};

enum compose_volume_type { VOLUME_BIND, VOLUME_NAMED, VOLUME_TMPFS, VOLUME_ANONYMOUS };

struct compose_volume_mount {
    enum compose_volume_type type;
    const char *source; /* BIND: absolute path; NAMED: key in compose.volumes; else NULL */
    const char *target; /* absolute path in the instance */
    bool read_only;
    bool create_host_path;     /* BIND: make the folder when it is not there (short form) */
    const char *subpath;       /* NAMED: folder within the volume; NULL: the whole */
    bool no_copy;              /* NAMED */
    const char *propagation;   /* BIND: "rprivate", ...; NULL: none given */
    uint64_t tmpfs_size_bytes; /* 0: no limit given */
    uint32_t tmpfs_mode;       /* 0: 01777 */
    struct compose_place place;
};

/* A secret or config as a file in the instance. */
struct compose_file_mount {
    const char *source; /* key in compose.secrets or compose.configs */
    const char *target; /* absolute path in the instance */
    const char *uid;    /* as written, a number or a name; NULL: the instance's */
    const char *gid;
    uint32_t mode; /* 0: 0444 */
    struct compose_place place;
};

/* -1: no limit */
struct compose_ulimit {
    const char *name; /* "nofile" */
    int64_t soft;
    int64_t hard;
};

struct compose_device {
    const char *source; /* path on the machine */
    const char *target; /* path in the instance */
    const char *permissions;
};

struct compose_extra_host {
    const char *name;
    const char *address; /* "host-gateway" as written */
};

/* post_start, pre_stop */
struct compose_hook {
    struct compose_texts command; /* argv */
    const char *user;
    bool privileged;
    const char *working_dir;
    struct compose_pairs environment;
};

enum compose_condition { CONDITION_STARTED, CONDITION_HEALTHY, CONDITION_COMPLETED };

struct compose_dependency {
    const char *service;
    enum compose_condition condition;
    bool required;
    bool restart;
};

struct compose_healthcheck {
    bool disabled;              /* `disable: true` or test NONE */
    struct compose_texts test;  /* argv to run: CMD-SHELL and plain strings are already
                                   {"/bin/sh", "-c", text}; count 0: no check given */
    uint64_t interval_ms;       /* default 30 s */
    uint64_t timeout_ms;        /* default 30 s */
    uint64_t start_period_ms;   /* default 0 */
    uint64_t start_interval_ms; /* default 5 s */
    uint32_t retries;           /* default 3 */
};

enum compose_restart { RESTART_NO, RESTART_ALWAYS, RESTART_ON_FAILURE, RESTART_UNLESS_STOPPED };

/* deploy.restart_policy */
struct compose_restart_policy {
    bool present;              /* then it decides, not `restart` */
    enum compose_restart when; /* condition: any is ALWAYS, none is NO */
    uint64_t delay_ms;         /* default 5 s */
    uint32_t max_attempts;     /* 0: no limit */
    uint64_t window_ms;        /* within which a failure counts; 0: at once */
};

struct compose_build {
    bool present;
    const char *context;    /* absolute path */
    const char *dockerfile; /* relative to context unless absolute; NULL: Dockerfile */
    const char *target;
    struct compose_pairs args;
};

struct compose_service_network {
    const char *network; /* key in compose.networks */
    struct compose_texts aliases;
    const char *ipv4_address;
    const char *mac_address;
    const char *interface_name;
};

struct compose_logging {
    const char *driver;
    uint64_t max_size_bytes; /* from options; default 10 MiB */
    uint32_t max_file;       /* default 3 */
    struct compose_pairs options;
};

struct compose_resources {
    double cpus;           /* 0: no limit */
    uint64_t memory_bytes; /* 0: no limit */
    uint32_t pids;         /* 0: no limit */
};

/* What the control groups and the kernel are told beyond deploy.resources.limits. 0 or NULL: not
 * given, unless a comment says otherwise. */
struct compose_tuning {
    uint64_t cpu_shares;
    uint64_t cpu_quota_us;
    uint64_t cpu_period_us;
    const char *cpuset; /* "0-2,4" */
    uint64_t memory_reservation_bytes;
    uint64_t memory_reserved_bytes; /* deploy.resources.reservations.memory */
    int64_t memory_swap_bytes;      /* memory and swap together; -1: no limit */
    bool has_swappiness;
    uint32_t swappiness;
    bool has_oom_score_adj;
    int32_t oom_score_adj;
    bool oom_kill_disable;
    uint32_t blkio_weight;
    uint64_t shm_size_bytes;
    struct compose_ulimit *ulimits;
    size_t ulimit_count;
    struct compose_pairs sysctls;
};

/* Which rights and namespaces the process has. Texts are as written; NULL: the default. */
struct compose_isolation {
    bool privileged;
    struct compose_texts cap_add; /* upper case, without CAP_; "ALL" */
    struct compose_texts cap_drop;
    struct compose_texts security_opt;
    struct compose_texts group_add;
    struct compose_device *devices;
    size_t device_count;
    const char *ipc;
    const char *pid;
    const char *uts;
    const char *userns;
    const char *cgroup;
    const char *cgroup_parent;
    bool has_umask;
    uint32_t umask;
};

#include "compose/model_deploy.h"

struct compose_x_port;

/* services.*.x-ishizue */
struct compose_x_service {
    uint8_t send_proxy; /* version of the PROXY protocol that it is told; 0: none */
    bool
        provided_by_edge; /* `provided_by: edge`: not started; its published ports are the edge's */
    struct {
        bool present;
        bool is_shared;             /* said by another service of the same image */
        const char *workdir;        /* where the tree of the build context appears; default /app */
        struct compose_texts build; /* shell commands */
        struct compose_texts dependencies; /* shell commands before <build> that need only the
                                              <cache_key> files; their result is kept until one of
                                              those, or the commands, change */
        struct compose_texts cache_key;    /* files, relative to the context */
        const char *command;               /* shell command; NULL: none */
    } host;
    struct {
        bool present;
        const char *path;         /* HTTP GET that must answer 2xx or 3xx; NULL: a TCP connect */
        uint16_t port;            /* 0: the first exposed, routed or published port */
        uint64_t interval_ms;     /* default 2 s */
        uint64_t timeout_ms;      /* default 5 s */
        uint64_t start_period_ms; /* default 60 s */
        uint32_t retries;         /* default 3 */
        uint32_t rise;            /* default 1 */
        uint16_t status_from;     /* of good answers: default 200 to 399 */
        uint16_t status_to;
    } health;
    const char *migrate; /* shell command; NULL: none */
    bool migrate_irreversible;
    struct compose_x_deploy deploy;
    bool keep_unhealthy;          /* `restart_unhealthy: false` */
    struct compose_x_port *ports; /* model_ports.h */
    size_t port_count;
};

struct compose_service {
    const char *name;
    struct compose_place place;
    const char *image;
    struct compose_build build;
    struct compose_texts
        command;      /* argv; a string form was split as a shell would, no shell added */
    bool has_command; /* `command: []` is given and empty */
    struct compose_texts entrypoint;
    bool has_entrypoint;
    struct compose_pairs
        environment; /* env_file and environment together, as the instance gets it */
    struct compose_volume_mount *volumes;
    size_t volume_count;
    struct compose_texts
        tmpfs_options; /* `tmpfs:` entries as written, "/run:size=64m"; also in volumes */
    struct compose_port *ports;
    size_t port_count;
    uint16_t *expose;
    size_t expose_count;
    struct compose_dependency *depends_on;
    size_t depends_on_count;
    struct compose_healthcheck healthcheck;
    enum compose_restart restart;
    uint32_t restart_max_retries;             /* on-failure:N; 0: no limit */
    struct compose_service_network *networks; /* at least "default" unless network_mode is set */
    size_t network_count;
    const char *network_mode;
    const char *container_name;
    const char *hostname;
    const char *user;
    const char *working_dir;
    struct compose_texts profiles;
    uint32_t replicas; /* deploy.replicas or scale; default 1 */
    struct compose_resources limits;
    uint64_t stop_grace_period_ms; /* default 10 s */
    const char *stop_signal;       /* NULL: the image's, else SIGTERM */
    struct compose_pairs labels;
    struct compose_logging logging;
    bool read_only;
    bool init;
    bool tty;
    bool stdin_open;
    const char *pull_policy;
    const char *platform;
    struct compose_restart_policy restart_policy;
    struct compose_update update;   /* deploy.update_config */
    struct compose_update rollback; /* deploy.rollback_config */
    struct compose_file_mount *secrets;
    size_t secret_count;
    struct compose_file_mount *configs;
    size_t config_count;
    struct compose_tuning tuning;
    struct compose_isolation isolation;
    const char *domainname;
    struct compose_extra_host *extra_hosts; /* a name with several addresses stands several times */
    size_t extra_host_count;
    struct compose_texts dns;
    struct compose_texts dns_search;
    struct compose_texts dns_options;
    struct compose_pairs links;          /* alias -> service */
    struct compose_pairs external_links; /* alias -> container of another project */
    const char *mac_address;
    struct compose_texts volumes_from; /* as written: "service[:ro]" */
    struct compose_hook *post_start;
    size_t post_start_count;
    struct compose_hook *pre_stop;
    size_t pre_stop_count;
    struct compose_pairs annotations;
    struct compose_service *pre_start; /* one-off containers that must succeed before the service
                                          starts: image, command, environment, volumes, ...; what
                                          they do not say themselves is the service's already */
    size_t pre_start_count;
    bool per_replica; /* of a pre_start: once for each instance, not once for the service */
    struct compose_x_service x;
};

struct compose_network {
    const char *key;
    const char *name; /* with the project's prefix unless `name:` is given */
    bool external;
    bool internal;
};

struct compose_volume {
    const char *key;
    const char *name;
    bool external;
    const char *driver;
    struct compose_pairs driver_opts;
};

/* A secret or config at the top level: one of file, environment, content, external. */
struct compose_file_source {
    const char *key;
    const char *name;
    bool external;
    const char *file;        /* absolute path */
    const char *environment; /* variable of the caller; its value is in <content> */
    const char *content;     /* NULL: none */
    struct compose_place place;
};

struct compose_balance; /* model_balance.h, and so on */
struct compose_limits;
struct compose_edge;
struct compose_rules;
struct compose_cache;

/* x-ishizue.routes[]: exactly one of service, files, redirect. */
struct compose_route {
    const char *host; /* NULL: the domain, or any */
    bool is_any_host; /* whatever the domain is */
    const char *path; /* prefix; "/" at least */
    const char *service;
    uint16_t port;     /* with service */
    bool is_h2c;       /* it is asked by HTTP/2 */
    const char *files; /* absolute folder */
    const char *redirect;
    const char *cache_control; /* NULL: as the upstream says */
    bool has_body_limit;
    uint64_t body_limit_bytes;   /* 0: none */
    uint64_t connect_timeout_ms; /* 0: not given, as the two below */
    uint64_t response_timeout_ms;
    uint64_t idle_timeout_ms;
    const struct compose_balance *balance; /* NULL: not given, as the three below */
    const struct compose_limits *limits;
    const struct compose_rules *rules;
    const struct compose_cache *cache;
    struct compose_place place;
};

enum compose_tls { TLS_AUTO, TLS_OFF, TLS_FILES };

/* x-ishizue.certificates[]: of hosts that have one of their own; absolute paths. */
struct compose_certificate {
    struct compose_texts hosts;
    const char *certificate;
    const char *key;
    const char *ocsp; /* NULL: none */
};

/* Releases that stay stored, beside the running one and the one before it. */
struct compose_releases {
    uint32_t keep;       /* default 10 */
    uint64_t disk_bytes; /* most that their built trees take; 0: no limit */
};

struct compose_x {
    const char *runtime; /* "auto", "host", ... ; default "auto" */
    const char *domain;  /* NULL: none */
    enum compose_tls tls;
    const char *tls_certificate; /* TLS_FILES: absolute paths */
    const char *tls_key;
    const char *tls_ocsp;      /* absolute, and so is the next; NULL: none */
    const char *tls_client_ca; /* of clients' certificates */
    const struct compose_certificate *certificates;
    size_t certificate_count;
    const struct compose_edge *edge; /* NULL: not given */
    uint16_t http_port;  /* default 80; from `listen: {http, https}`; 0: not listened to */
    uint16_t https_port; /* default 443 */
    bool has_listen;     /* `listen` was given */
    struct compose_route *routes;
    size_t route_count;
    struct compose_releases releases;
    struct compose_x_deploy deploy; /* of each service that does not say otherwise */
};

struct compose {
    const char *name;                 /* project name, normalised */
    const char *working_dir;          /* absolute */
    struct compose_service *services; /* in an order in which dependencies come first */
    size_t service_count;
    struct compose_network *networks;
    size_t network_count;
    struct compose_volume *volumes;
    size_t volume_count;
    struct compose_file_source *secrets;
    size_t secret_count;
    struct compose_file_source *configs;
    size_t config_count;
    struct compose_x x;
};

/* Does one Dockerfile, up to the same stage, make both? */
bool compose_build_is_same(const struct compose_build *a, const struct compose_build *b);

/* NULL when there is none. */
const struct compose_service *compose_find_service(const struct compose *compose, const char *name);

/* The host that <route> is for; NULL: any. */
const char *compose_route_host(const struct compose *compose, const struct compose_route *route);

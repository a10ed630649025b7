/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <unistd.h>

#include "base/err.h"
#include "base/file.h"
#include "cli/dockerfile.h"
#include "cli/host_hint.h"
#include "json/json.h"

struct hint {
    struct arena *arena;
    const char *context;
    struct compose_texts dependencies;
    struct compose_texts cache_key;
    struct compose_texts build;
    struct compose_texts machine; /* what the machine itself has to have */
};

/* What installs the libraries of a language, and the files it needs for that. */
static const struct installer {
    const char *command;
    const char *files[3];
} installers[] = {
    {"npm ci", {"package.json", "package-lock.json", ".npmrc"}},
    {"npm install", {"package.json", "package-lock.json", ".npmrc"}},
    {"yarn", {"package.json", "yarn.lock", ".yarnrc.yml"}},
    {"pnpm", {"package.json", "pnpm-lock.yaml", ".npmrc"}},
    {"go mod download", {"go.mod", "go.sum", NULL}},
    {"bundle install", {"Gemfile", "Gemfile.lock", NULL}},
    {"composer install", {"composer.json", "composer.lock", NULL}},
};

/* Steps that prepare an image, for which there is nothing to do here. */
static const char *const of_images[] = {"addgroup ", "adduser ", "groupadd ", "useradd ", "chown ",
                                        "chmod ",    "mkdir ",   "rm ",       "corepack "};
static const char *const of_machine[] = {"apt-get ", "apt ", "apk ", "yum ", "dnf "};

static bool starts_with_any(const char *text, const char *const *words, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strncmp(text, words[i], strlen(words[i])) == 0)
            return true;
    return false;
}

static void push(struct compose_texts *texts, const char *text)
{
    for (size_t i = 0; i < texts->count; i++)
        if (strcmp(texts->items[i], text) == 0)
            return;
    if (texts->count < DOCKERFILE_STEPS_MAX)
        texts->items[texts->count++] = text;
}

static void push_key(struct hint *hint, const char *file)
{
    const char *path = arena_printf(hint->arena, "%s/%s", hint->context, file);

    if (strstr(file, "..") == NULL && access(path, F_OK) == 0)
        push(&hint->cache_key, file);
}

/* `pip install --no-cache-dir -r requirements.txt`: into an environment of its own. */
static bool take_pip(struct hint *hint, const char *step)
{
    const char *at = strstr(step, "pip install ");
    const char *file = at == NULL ? NULL : strstr(at, "-r ");

    if (file == NULL)
        return false;
    file += strlen("-r ");
    file = arena_str(hint->arena, str_from(file, strcspn(file, " ;&|")));
    push(&hint->dependencies, "python3 -m venv .venv");
    push(&hint->dependencies, arena_printf(hint->arena, ".venv/bin/pip install -r %s", file));
    push_key(hint, file);
    return true;
}

static bool take_installer(struct hint *hint, const char *step)
{
    for (size_t i = 0; i < ARRAY_LEN(installers); i++) {
        const struct installer *installer = &installers[i];
        const char *rest = step + strlen(installer->command);

        if (strncmp(step, installer->command, strlen(installer->command)) != 0 ||
            strstr(step, "&&") != NULL || (*rest != '\0' && *rest != ' ') ||
            strstr(step, " build") != NULL)
            continue;
        push(&hint->dependencies, step);
        for (size_t k = 0; k < ARRAY_LEN(installer->files) && installer->files[k] != NULL; k++)
            push_key(hint, installer->files[k]);
        return true;
    }
    return false;
}

static void take_step(struct hint *hint, const char *step)
{
    if (starts_with_any(step, of_machine, ARRAY_LEN(of_machine)))
        push(&hint->machine, step);
    else if (!starts_with_any(step, of_images, ARRAY_LEN(of_images)) && !take_pip(hint, step) &&
             !take_installer(hint, step))
        push(&hint->build, step);
}

/* As a value of YAML in which Compose fills in nothing. */
static void add_value(const char *text, struct buf *ret)
{
    AUTO(buf_done) struct buf doubled = {0};

    for (; *text != '\0'; text++) {
        buf_add_char(&doubled, *text);
        if (*text == '$')
            buf_add_char(&doubled, '$');
    }
    AUTO(json_unref) json_t *value = json_from_bytes(buf_str(&doubled));
    json_format(value, false, ret);
}

static void add_list(const char *key, const struct compose_texts *texts, struct buf *ret)
{
    if (texts->count == 0)
        return;
    buf_addf(ret, "          %s:\n", key);
    for (size_t i = 0; i < texts->count; i++) {
        buf_add_text(ret, "            - ");
        add_value(texts->items[i], ret);
        buf_add_char(ret, '\n');
    }
}

static void add_text(const char *key, const char *text, struct buf *ret)
{
    if (text == NULL)
        return;
    buf_addf(ret, "          %s: ", key);
    add_value(text, ret);
    buf_add_char(ret, '\n');
}

/* "nginx", "nginx:alpine", "nginxinc/nginx-unprivileged": files that another stage has made. */
static bool is_nginx(const char *image)
{
    return strncmp(image, "nginx", strlen("nginx")) == 0;
}

static void format_files(const struct compose_service *service, struct buf *ret)
{
    buf_addf(ret,
             "Service '%s' is files behind an nginx, which the edge serves without it: give it\n"
             "x-ishizue: {provided_by: edge}, and the folder of the files a route, such as\n"
             "{path: /, files: ./dist, spa: true}\n\n",
             service->name);
}

static void format(const struct hint *hint, const struct compose_service *service,
                   const struct dockerfile *file, struct buf *ret)
{
    const char *name = service->build.dockerfile == NULL ? "Dockerfile" : service->build.dockerfile;

    buf_addf(ret, "A start for service '%s', made of its %s; read it before you use it:\n\n",
             service->name, name);
    buf_add_text(ret, "      x-ishizue:\n        host:\n");
    for (size_t i = 0; i < hint->machine.count; i++) {
        buf_add_text(ret, "          # on the machine itself: ");
        add_value(hint->machine.items[i], ret);
        buf_add_char(ret, '\n');
    }
    add_text("workdir", file->workdir, ret);
    add_list("dependencies", &hint->dependencies, ret);
    if (hint->dependencies.count > 0)
        add_list("cache_key", &hint->cache_key, ret);
    add_list("build", &hint->build, ret);
    add_text("command", service->has_command ? NULL : file->command, ret);
    buf_add_char(ret, '\n');
}

static struct compose_texts new_texts(struct arena *arena)
{
    return (struct compose_texts){ARENA_ARRAY(arena, const char *, DOCKERFILE_STEPS_MAX), 0};
}

static void add_service(struct arena *arena, const struct compose_service *service, struct buf *ret)
{
    const struct compose_build *build = &service->build;
    const char *name = build->dockerfile == NULL ? "Dockerfile" : build->dockerfile;
    const char *path = name[0] == '/' ? name : arena_printf(arena, "%s/%s", build->context, name);
    AUTO(buf_done) struct buf text = {0};
    struct dockerfile file;
    struct err ignored;

    if (!file_read_regular(path, DOCKERFILE_BYTES_MAX, &text, &ignored))
        return;
    dockerfile_parse(buf_str(&text), arena, &file);
    struct hint hint = {.arena = arena,
                        .context = build->context,
                        .dependencies = new_texts(arena),
                        .cache_key = new_texts(arena),
                        .build = new_texts(arena),
                        .machine = new_texts(arena)};
    for (size_t i = 0; i < file.steps.count; i++)
        take_step(&hint, file.steps.items[i]);
    if (file.from != NULL && is_nginx(file.from))
        format_files(service, ret);
    else if (file.from != NULL)
        format(&hint, service, &file, ret);
}

static bool has_none(const struct compose_service *service)
{
    return service->build.present && service->build.context != NULL && !service->x.host.present &&
           !service->x.provided_by_edge;
}

/* Is <other> the better place for the steps of the build that it has, too? What runs the image's
 * own command is, and of equals the first. */
static bool is_better(const struct compose_service *other, const struct compose_service *service)
{
    if (!has_none(other) || !compose_build_is_same(&other->build, &service->build))
        return false;
    return other->has_command == service->has_command ? other < service : service->has_command;
}

void host_hints_add(struct arena *arena, const struct compose *compose, struct buf *ret)
{
    for (size_t i = 0; i < compose->service_count; i++) {
        const struct compose_service *service = &compose->services[i];
        bool is_best = has_none(service);
        for (size_t k = 0; is_best && k < compose->service_count; k++)
            is_best = !is_better(&compose->services[k], service);
        if (is_best)
            add_service(arena, service, ret);
    }
}

/* SPDX-License-Identifier: Apache-2.0
 *
 * What would become of the compose file: its errors, what is done about each of
 * its keys, and what would run each service on this machine. Needs no daemon.
 */
#include "base/base.h"

#include "cli/check_files.h"
#include "cli/cli.h"
#include "cli/cmd.h"
#include "cli/host_hint.h"
#include "cli/key_report.h"
#include "cli/project.h"
#include "cli/text_table.h"
#include "json/json.h"

struct check {
    struct cli *cli;
    bool valid; /* the file can be used */
    struct compose *compose;
    struct compose_diags *diags;
    struct compose_uses uses;
    struct err err;
    size_t lacking; /* services that nothing runs here */
};

static const struct text_table_column columns[] = {
    {.header = "SERVICE"},
    {.header = "RUN BY", .shrinks = true},
};

/* What runs <service>; NULL with <err>: nothing does. */
static const char *run_by(struct cli *cli, const struct compose_service *service, struct err *err)
{
    const char *text;

    if (service->x.provided_by_edge)
        return "the edge";
    return cli->programs->stand_in(cli->images_dir, service, &cli->arena, &text, err) ? text : NULL;
}

static json_t *services_json(struct check *check)
{
    json_t *list = json_array();

    for (size_t i = 0; check->compose != NULL && i < check->compose->service_count; i++) {
        const struct compose_service *service = &check->compose->services[i];
        struct err err;
        const char *text = run_by(check->cli, service, &err);
        check->lacking += text == NULL;
        (void)json_array_append_new(
            list, json_pack("{s:s, s:s?, s:s?, s:o}", "service", service->name, "image",
                            service->image, "run_by", text, "error",
                            text != NULL ? json_null() : json_from_bytes(str_of(err.text))));
    }
    return list;
}

static void print_json(struct check *check)
{
    AUTO(json_unref)
    json_t *root = json_pack("{s:b, s:s, s:o, s:o, s:o}", "valid", (int)check->valid, "runtime",
                             "host", "diagnostics", project_diags_json(check->diags), "keys",
                             key_report_json(&check->uses), "services", services_json(check));

    if (check->valid)
        json_object_set_new(root, "name", json_from_bytes(str_of(check->compose->name)));
    else
        json_object_set_new(root, "error", json_from_bytes(str_of(check->err.text)));
    cli_print_json(check->cli, root);
}

static void print_services(struct check *check)
{
    AUTO(text_table_done) struct text_table table = {0};
    AUTO(buf_done) struct buf out = {0};
    const struct compose *compose = check->compose;

    text_table_init(&table, columns, ARRAY_LEN(columns));
    for (size_t i = 0; i < compose->service_count; i++) {
        struct err err;
        const char *text = run_by(check->cli, &compose->services[i], &err);
        if (text == NULL)
            (void)cli_fail(check->cli, &err);
        check->lacking += text == NULL;
        text_table_add(&table, STYLE_NONE, compose->services[i].name);
        text_table_add(&table, text == NULL ? STYLE_RED : STYLE_NONE,
                       text == NULL ? "nothing on this machine" : text);
    }
    if (check->cli->options.quiet || compose->service_count == 0)
        return;
    text_table_format(&table, &check->cli->out, &out);
    buf_add_char(&out, '\n');
    host_hints_add(&check->cli->arena, compose, &out);
    cli_print(check->cli, buf_str(&out));
}

static void add_count(struct buf *out, size_t count, const char *what)
{
    if (count > 0)
        buf_addf(out, ", %zu %s", count, what);
}

static void print_verdict(struct check *check)
{
    AUTO(buf_done) struct buf out = {0};
    const char *name = check->compose == NULL ? "the file" : check->compose->name;
    bool good = check->valid && check->lacking == 0 && check->diags->error_count == 0;

    term_style(&check->cli->out, STYLE_BOLD, str_of(name), &out);
    buf_add_text(&out, good ? " can run on this machine" : " cannot run on this machine as it is");
    buf_addf(&out, ": %zu keys", check->uses.count);
    add_count(&out, key_report_count(&check->uses, SUPPORT_HONOURED), "honoured");
    add_count(&out, key_report_count(&check->uses, SUPPORT_EMULATED), "emulated");
    add_count(&out, key_report_count(&check->uses, SUPPORT_OBSOLETE), "obsolete");
    add_count(&out, key_report_count(&check->uses, SUPPORT_REFUSED), "refused");
    buf_add_char(&out, '\n');
    cli_print(check->cli, buf_str(&out));
}

static void print_text(struct check *check)
{
    struct cli *cli = check->cli;

    project_print_diags(cli, check->diags, !cli->options.quiet);
    if (!check->valid && check->diags->error_count == 0)
        (void)cli_fail(cli, &check->err);
    if (!cli->options.quiet)
        key_report_print(cli, &check->uses, cli->options.all);
    if (check->valid)
        print_services(check);
    if (!cli->options.quiet && check->uses.count > 0)
        print_verdict(check);
}

int cmd_check(struct cli *cli)
{
    struct check check = {.cli = cli, .diags = ARENA_NEW(&cli->arena, struct compose_diags)};
    struct compose_options with = {.refuse = true, .uses = &check.uses};
    AUTO(json_unref) json_t *resolved = NULL;

    check.valid =
        project_read_with(cli, &with, false, &check.compose, &resolved, check.diags, &check.err);
    if (check.valid)
        check_files(&cli->arena, cli->state_dir, check.compose, check.diags);
    if (cli->options.json)
        print_json(&check);
    else
        print_text(&check);
    if (!check.valid)
        return EXIT_USAGE;
    return check.lacking > 0 || check.diags->error_count > 0 ? EXIT_FAILED : EXIT_OK;
}

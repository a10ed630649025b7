/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "compose_fixture.h"

/* Short forms, defaults and typed values of many keys. */
static const char *const wide =
    "name: wide\n"
    "x-ishizue: {tls: off, routes: [{path: /, to: \"web:80\"}, {path: /f, files: ./f}]}\n"
    "services:\n"
    "  web:\n"
    "    build: .\n"
    "    command: a \"b c\" $$X\n"
    "    environment: [A=1, B, C=, \"D=x: y # z\", \"E=a'\\\"b\"]\n"
    "    volumes: [\"./data:/data:ro\", \"vol:/v\", /anon]\n"
    "    ports: [\"8080:80\", \"9000-9001:90-91/udp\", 3000, \"6000-6002:7000\"]\n"
    "    expose: [3000]\n"
    "    depends_on: [db]\n"
    "    healthcheck: {test: curl x, interval: 1m30s, retries: 3}\n"
    "    labels: {a: 1, b: true, c: 1.10, d: null, e: 0440, g: no}\n"
    "    logging: {options: {max-size: 10m}}\n"
    "    tmpfs: /run\n"
    "    tty: false\n"
    "    deploy: {replicas: 2, resources: {limits: {cpus: 0.5, memory: 512m}}}\n"
    "    ulimits: {nofile: 1024, nproc: {soft: 1, hard: 2}}\n"
    "    x-ishizue: {migrate: \"m $$\", health: {interval: 2s}}\n"
    "  db: {image: pg, command: [], network_mode: host, restart: no, stop_signal: SIGINT}\n"
    "networks: {n: {internal: true}}\n"
    "volumes: {vol: , ext: {external: true}}\n";

static bool texts_equal(const char *a, const char *b)
{
    return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

static bool lists_equal(struct compose_texts a, struct compose_texts b)
{
    bool equal = a.count == b.count;

    for (size_t i = 0; equal && i < a.count; i++)
        equal = texts_equal(a.items[i], b.items[i]);
    return equal;
}

static bool pairs_equal(struct compose_pairs a, struct compose_pairs b)
{
    size_t found = 0;

    for (size_t i = 0; i < a.count; i++)
        for (size_t k = 0; k < b.count; k++)
            found += texts_equal(a.items[i].key, b.items[k].key) &&
                     texts_equal(a.items[i].value, b.items[k].value);
    return a.count == b.count && found == a.count;
}

static void check_same_lists(const struct compose_service *a, const struct compose_service *b)
{
    assert_int_equal(a->port_count, b->port_count);
    for (size_t i = 0; i < a->port_count; i++) {
        assert_int_equal(a->ports[i].published, b->ports[i].published);
        assert_int_equal(a->ports[i].target, b->ports[i].target);
        assert_int_equal(a->ports[i].protocol, b->ports[i].protocol);
        assert_true(texts_equal(a->ports[i].mode, b->ports[i].mode));
    }
    assert_int_equal(a->volume_count, b->volume_count);
    for (size_t i = 0; i < a->volume_count; i++) {
        assert_int_equal(a->volumes[i].type, b->volumes[i].type);
        assert_true(texts_equal(a->volumes[i].source, b->volumes[i].source));
        assert_true(texts_equal(a->volumes[i].target, b->volumes[i].target));
        assert_int_equal(a->volumes[i].read_only, b->volumes[i].read_only);
        assert_int_equal(a->volumes[i].create_host_path, b->volumes[i].create_host_path);
    }
}

static void check_same_service(const struct compose_service *a, const struct compose_service *b)
{
    assert_string_equal(a->name, b->name);
    assert_true(texts_equal(a->image, b->image));
    assert_true(lists_equal(a->command, b->command));
    assert_int_equal(a->has_command, b->has_command);
    assert_int_equal(a->has_entrypoint, b->has_entrypoint);
    assert_true(pairs_equal(a->environment, b->environment));
    assert_true(pairs_equal(a->labels, b->labels));
    assert_true(lists_equal(a->healthcheck.test, b->healthcheck.test));
    assert_int_equal(a->healthcheck.interval_ms, b->healthcheck.interval_ms);
    assert_int_equal(a->restart, b->restart);
    assert_int_equal(a->replicas, b->replicas);
    assert_int_equal(a->limits.memory_bytes, b->limits.memory_bytes);
    assert_int_equal(a->depends_on_count, b->depends_on_count);
    assert_int_equal(a->network_count, b->network_count);
    assert_int_equal(a->x.health.interval_ms, b->x.health.interval_ms);
    assert_true(texts_equal(a->x.migrate, b->x.migrate));
    assert_true(texts_equal(a->build.context, b->build.context));
    check_same_lists(a, b);
}

static void what_was_resolved_resolves_to_itself(void **state)
{
    (void)state;
    AUTO(json_unref) json_t *again = NULL;
    AUTO(buf_done) struct buf json = {0};
    struct compose *model;

    fixture_load(wide);
    json_format(fixture.resolved, false, &json);
    if (!compose_load_resolved(buf_str(&json), fixture.compose->working_dir, &fixture.arena, &model,
                               &again, &fixture.diags, &fixture.err))
        fail_msg("%s", fixture.err.text);
    assert_int_equal(fixture.diags.count, 0); /* warnings are not told again */
    assert_true(json_equal(fixture.resolved, again));
    assert_int_equal(model->service_count, fixture.compose->service_count);
    for (size_t i = 0; i < model->service_count; i++)
        check_same_service(&model->services[i], fixture_service(model->services[i].name));
    assert_string_equal(model->name, fixture.compose->name);
    assert_int_equal(model->x.route_count, 2);
    assert_string_equal(model->x.routes[1].files, fixture.compose->x.routes[1].files);
    assert_int_equal(model->volume_count, 1); /* the other one has no user */
}

static void printed_text_loads_to_the_same_project(void **state)
{
    (void)state;
    json_t *first;
    struct buf text = {0};

    fixture_load(wide);
    for (int format = COMPOSE_FORMAT_JSON; format <= COMPOSE_FORMAT_YAML; format++) {
        first = json_deep_copy(fixture.resolved);
        buf_clear(&text);
        compose_format(first, (enum compose_format)format, true, &text);
        fixture_load(buf_text(&text));
        if (!json_equal(first, fixture.resolved))
            fail_msg("differs after:\n%s", buf_text(&text));
        json_decref(first);
    }
    buf_done(&text);
}

static void the_resolved_project_is_in_long_form(void **state)
{
    (void)state;
    AUTO(buf_done) struct buf json = {0};

    fixture_load("services:\n"
                 "  s:\n"
                 "    image: a\n"
                 "    ports: [\"127.0.0.1:8080:80\"]\n"
                 "    deploy: {resources: {limits: {cpus: 1, memory: 1k}}}\n");
    json_format(fixture.resolved, false, &json);
    assert_string_equal(
        buf_text(&json),
        "{\"name\":\"p\",\"networks\":{\"default\":{\"name\":\"p_default\"}},"
        "\"services\":{\"s\":{"
        "\"deploy\":{\"resources\":{\"limits\":{\"cpus\":1,\"memory\":\"1024\"}}},"
        "\"image\":\"a\",\"networks\":{\"default\":null},"
        "\"ports\":[{\"host_ip\":\"127.0.0.1\",\"mode\":\"ingress\",\"protocol\":\"tcp\","
        "\"published\":\"8080\",\"target\":80}]}}}");
}

static void a_resolved_project_that_was_tampered_with_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *json;
        const char *message;
    } rows[] = {
        {"{", "line 1, column 1: not JSON: string or '}' expected near end of file"},
        {"[]", "must be a map, not a list; leave out the '-'"},
        {"{\"services\":{\"s\":{\"image\":\"a\"}}}", "a resolved project needs a 'name'"},
        {"{\"name\":\"p\",\"services\":{\"s\":{\"image\":1}}}",
         "services.s.image: must be a text, and 1 is a number; put quotes around it: \"1\""},
        {"{\"name\":\"p\",\"services\":{\"s\":{\"image\":\"a\",\"ports\":[{\"target\":0}]}}}",
         "services.s.ports[0].target: '0' is no port from 1 to 65535"},
    };
    struct compose *model = NULL;

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        assert_false(compose_load_resolved(str_of(rows[i].json), "/", &fixture.arena, &model, NULL,
                                           &fixture.diags, &fixture.err));
        assert_string_equal(fixture.err.text, rows[i].message);
    }
    assert_null(model);
}

static void a_file_of_300_services_is_read(void **state)
{
    (void)state;
    AUTO(buf_done) struct buf text = {0};

    buf_add_text(&text, "services:\n");
    for (int i = 0; i < 300; i++)
        buf_addf(&text,
                 "  s%d:\n    image: a:${T:-1}\n    ports: [\"%d:80\"]\n    depends_on: [s%d]\n", i,
                 10000 + i, i + 1);
    buf_add_text(&text, "  s300: {image: a}\n");
    fixture_load(buf_text(&text));
    assert_int_equal(fixture.compose->service_count, 301);
    assert_string_equal(fixture.compose->services[0].name, "s300");
    assert_string_equal(fixture.compose->services[300].name, "s0");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(what_was_resolved_resolves_to_itself),
        FIXTURE_TEST(printed_text_loads_to_the_same_project),
        FIXTURE_TEST(the_resolved_project_is_in_long_form),
        FIXTURE_TEST(a_resolved_project_that_was_tampered_with_is_refused),
        FIXTURE_TEST(a_file_of_300_services_is_read),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}

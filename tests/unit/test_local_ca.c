/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/stat.h>

#include <cmocka.h>
#include <openssl/objects.h>
#include <openssl/x509v3.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/file.h"
#include "guard/local_ca.h"
#include "guard/local_ca_priv.h"
#include "guard/x509_build.h"
#include "io/child.h"

static const int64_t wall_start_ms = INT64_C(1795000000000); /* November 2026 */
static char dir[64];

static int make_dir(void **state)
{
    (void)state;
    (void)snprintf(dir, sizeof dir, "/tmp/test_local_ca.XXXXXX");
    return mkdtemp(dir) == NULL;
}

static int remove_dir(void **state)
{
    (void)state;
    struct err err;
    return !file_remove_tree(dir, &err);
}

static const char *in_dir(const char *name)
{
    static char path[128];
    (void)snprintf(path, sizeof path, "%s/%s", dir, name);
    return path;
}

static struct local_ca *open_ca(int64_t wall_now_ms)
{
    struct err err = {0};
    struct local_ca *ca = local_ca_open(dir, wall_now_ms, &err);
    if (ca == NULL)
        fail_msg("%s", err.text);
    return ca;
}

static void issue(struct local_ca *ca, const char *const *names, size_t count, int64_t wall_now_ms,
                  struct local_ca_leaf *ret)
{
    struct err err = {0};
    struct local_ca_request request = {"shop", names, count};
    if (!local_ca_issue(ca, &request, wall_now_ms, ret, &err))
        fail_msg("%s", err.text);
}

/* What a client says about <certificate> for <host> (a name or an address): X509_V_OK or why not.
 */
static int verify(X509 *certificate, X509 *root, const char *host, int64_t wall_ms)
{
    X509_STORE *store = X509_STORE_new();
    X509_STORE_CTX *context = X509_STORE_CTX_new();

    assert_true(X509_STORE_add_cert(store, root));
    assert_true(X509_STORE_CTX_init(context, store, certificate, NULL));
    X509_VERIFY_PARAM *param = X509_STORE_CTX_get0_param(context);
    X509_VERIFY_PARAM_set_time(param, (time_t)(wall_ms / 1000));
    assert_true(X509_VERIFY_PARAM_set_flags(param, X509_V_FLAG_X509_STRICT));
    assert_true(X509_STORE_CTX_set_purpose(context, X509_PURPOSE_SSL_SERVER));
    if (!X509_VERIFY_PARAM_set1_ip_asc(param, host))
        assert_true(X509_VERIFY_PARAM_set1_host(param, host, 0));
    int result = X509_verify_cert(context) == 1 ? X509_V_OK : X509_STORE_CTX_get_error(context);
    X509_STORE_CTX_free(context);
    X509_STORE_free(store);
    return result;
}

static int verify_leaf(const struct local_ca *ca, const struct local_ca_leaf *leaf,
                       const char *host, int64_t wall_ms)
{
    struct err err;
    AUTO(x509_free) X509 *root = x509_parse(str_of(local_ca_pem(ca)), &err);
    AUTO(x509_free) X509 *certificate = x509_parse(secret_str(&leaf->certificate_pem), &err);
    AUTO(evp_pkey_free) EVP_PKEY *key = x509_key_parse(secret_str(&leaf->key_pem), &err);
    assert_non_null(root);
    assert_non_null(certificate);
    assert_non_null(key);
    assert_int_equal(X509_check_private_key(certificate, key), 1);
    return verify(certificate, root, host, wall_ms);
}

static void a_certificate_is_accepted_for_its_names_and_no_others(void **state)
{
    (void)state;
    AUTO(local_ca_close) struct local_ca *ca = open_ca(wall_start_ms);
    AUTO(local_ca_leaf_done) struct local_ca_leaf leaf = {0};
    const char *names[] = {"eshop.localhost", "*.eshop.localhost", "db.test", "localhost",
                           "a_b.corp.internal"};

    issue(ca, names, 5, wall_start_ms, &leaf);
    assert_true(leaf.made);
    assert_int_equal(verify_leaf(ca, &leaf, "eshop.localhost", wall_start_ms), X509_V_OK);
    assert_int_equal(verify_leaf(ca, &leaf, "www.eshop.localhost", wall_start_ms), X509_V_OK);
    assert_int_equal(verify_leaf(ca, &leaf, "db.test", wall_start_ms), X509_V_OK);
    assert_int_equal(verify_leaf(ca, &leaf, "localhost", wall_start_ms), X509_V_OK);
    assert_int_equal(verify_leaf(ca, &leaf, "a_b.corp.internal", wall_start_ms), X509_V_OK);
    assert_int_equal(verify_leaf(ca, &leaf, "other.test", wall_start_ms),
                     X509_V_ERR_HOSTNAME_MISMATCH);
    assert_int_equal(verify_leaf(ca, &leaf, "db.test", wall_start_ms + 91 * MS_PER_DAY),
                     X509_V_ERR_CERT_HAS_EXPIRED);
}

/* Signs with the authority's own key what local_ca_issue() would refuse, as a thief would. */
static int verify_forged(struct local_ca *ca, const char *alt_name, const char *common_name,
                         const char *host)
{
    struct err err = {0};
    const struct x509_extension extensions[] = {
        {NID_basic_constraints, "critical,CA:FALSE"},
        {NID_ext_key_usage, "serverAuth"},
        {NID_subject_key_identifier, "hash"},
        {NID_authority_key_identifier, "keyid"},
        {NID_subject_alt_name, alt_name},
    };
    AUTO(evp_pkey_free) EVP_PKEY *key = x509_key_new(&err);
    struct x509_plan plan = {
        .common_name = common_name,
        .key = key,
        .issuer = ca->certificate,
        .issuer_key = ca->key,
        .wall_from_ms = wall_start_ms,
        .wall_to_ms = wall_start_ms + MS_PER_DAY,
        .extensions = extensions,
        .extension_count = alt_name == NULL ? 4 : 5,
    };
    AUTO(x509_free) X509 *certificate = x509_new(&plan, &err);
    if (certificate == NULL)
        fail_msg("%s", err.text);
    return verify(certificate, ca->certificate, host, wall_start_ms + 1000);
}

static void a_stolen_key_signs_nothing_outside_the_four_domains(void **state)
{
    (void)state;
    AUTO(local_ca_close) struct local_ca *ca = open_ca(wall_start_ms);

    assert_int_equal(verify_forged(ca, "DNS:x.test", "x", "x.test"), X509_V_OK);
    assert_int_equal(verify_forged(ca, "DNS:bank.example", "x", "bank.example"),
                     X509_V_ERR_PERMITTED_VIOLATION);
    assert_int_equal(verify_forged(ca, "DNS:x.test,DNS:bank.example", "x", "bank.example"),
                     X509_V_ERR_PERMITTED_VIOLATION);
    assert_int_equal(verify_forged(ca, "DNS:nottest", "x", "nottest"),
                     X509_V_ERR_PERMITTED_VIOLATION);
    assert_int_equal(verify_forged(ca, "IP:192.0.2.1", "x", "192.0.2.1"),
                     X509_V_ERR_EXCLUDED_VIOLATION);
    assert_int_equal(verify_forged(ca, "IP:2001:db8::1", "x", "2001:db8::1"),
                     X509_V_ERR_EXCLUDED_VIOLATION);
    assert_int_equal(verify_forged(ca, NULL, "bank.example", "bank.example"),
                     X509_V_ERR_PERMITTED_VIOLATION);
}

static void an_authority_below_it_is_refused(void **state)
{
    (void)state;
    struct err err = {0};
    AUTO(local_ca_close) struct local_ca *ca = open_ca(wall_start_ms);
    const struct x509_extension extensions[] = {{NID_basic_constraints, "critical,CA:TRUE"},
                                                {NID_key_usage, "critical,keyCertSign"},
                                                {NID_subject_key_identifier, "hash"},
                                                {NID_authority_key_identifier, "keyid"}};
    AUTO(evp_pkey_free) EVP_PKEY *key = x509_key_new(&err);
    struct x509_plan plan = {"below",       key,           ca->certificate, ca->key,
                             wall_start_ms, INT64_MAX / 4, extensions,      4};
    plan.wall_to_ms = wall_start_ms + MS_PER_DAY;
    AUTO(x509_free) X509 *below = x509_new(&plan, &err);
    assert_non_null(below);
    plan = (struct x509_plan){"x.test",       key, below, key, wall_start_ms, plan.wall_to_ms,
                              extensions + 2, 2};
    AUTO(x509_free) X509 *leaf = x509_new(&plan, &err);
    assert_non_null(leaf);

    STACK_OF(X509) *between = sk_X509_new_null();
    X509_STORE *store = X509_STORE_new();
    X509_STORE_CTX *context = X509_STORE_CTX_new();
    assert_true(sk_X509_push(between, below));
    assert_true(X509_STORE_add_cert(store, ca->certificate));
    assert_true(X509_STORE_CTX_init(context, store, leaf, between));
    X509_VERIFY_PARAM_set_time(X509_STORE_CTX_get0_param(context),
                               (time_t)(wall_start_ms / 1000 + 1));
    assert_int_not_equal(X509_verify_cert(context), 1);
    assert_int_equal(X509_STORE_CTX_get_error(context), X509_V_ERR_PATH_LENGTH_EXCEEDED);
    X509_STORE_CTX_free(context);
    X509_STORE_free(store);
    sk_X509_free(between);
}

static void the_openssl_program_accepts_authority_and_certificate(void **state)
{
    (void)state;
    int64_t wall_now_ms = clock_wall_ms();
    AUTO(local_ca_close) struct local_ca *ca = open_ca(wall_now_ms);
    AUTO(local_ca_leaf_done) struct local_ca_leaf leaf = {0};
    AUTO(buf_done) struct buf output = {0};
    const char *names[] = {"eshop.localhost"};
    struct err err = {0};
    char ca_path[128], leaf_path[128];

    issue(ca, names, 1, wall_now_ms, &leaf);
    (void)snprintf(ca_path, sizeof ca_path, "%s/ca.pem", dir);
    (void)snprintf(leaf_path, sizeof leaf_path, "%s/leaf/shop.pem", dir);
    const char *argv[] = {
        "openssl",         "verify",  "-x509_strict", "-purpose", "sslserver", "-verify_hostname",
        "eshop.localhost", "-CAfile", ca_path,        leaf_path,  NULL};
    if (!child_run(argv, (struct str){0}, 20000, 4096, &output, &err))
        fail_msg("%s: %s", err.text, buf_text(&output));
    assert_non_null(strstr(buf_text(&output), "shop.pem: OK"));
}

static void keys_on_disk_are_private(void **state)
{
    (void)state;
    AUTO(local_ca_close) struct local_ca *ca = open_ca(wall_start_ms);
    AUTO(local_ca_leaf_done) struct local_ca_leaf leaf = {0};
    const char *names[] = {"a.test"};
    struct stat st;

    issue(ca, names, 1, wall_start_ms, &leaf);
    assert_int_equal(stat(in_dir("ca-key.pem"), &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(stat(in_dir("leaf/shop.pem"), &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(stat(in_dir("leaf"), &st), 0);
    assert_int_equal(st.st_mode & 0777, 0700);
    assert_null(strstr(local_ca_pem(ca), "PRIVATE"));
    assert_null(strstr(leaf.certificate_pem.ptr, "PRIVATE"));
}

static void a_second_open_finds_the_same_authority(void **state)
{
    (void)state;
    AUTO(local_ca_close) struct local_ca *first = open_ca(wall_start_ms);
    AUTO(local_ca_close)
    struct local_ca *second = open_ca(wall_start_ms + (LOCAL_CA_DAYS - 91) * MS_PER_DAY);

    assert_string_equal(local_ca_pem(first), local_ca_pem(second));
}

static void an_authority_about_to_end_is_replaced_and_so_are_its_certificates(void **state)
{
    (void)state;
    int64_t wall_late_ms = wall_start_ms + (LOCAL_CA_DAYS - 89) * MS_PER_DAY;
    AUTO(local_ca_leaf_done) struct local_ca_leaf old = {0};
    AUTO(local_ca_leaf_done) struct local_ca_leaf new = {0};
    const char *names[] = {"a.test"};

    AUTO(local_ca_close) struct local_ca *first = open_ca(wall_start_ms);
    issue(first, names, 1, wall_late_ms, &old);
    AUTO(local_ca_close) struct local_ca *second = open_ca(wall_late_ms);
    assert_string_not_equal(local_ca_pem(first), local_ca_pem(second));
    issue(second, names, 1, wall_late_ms, &new);
    assert_true(new.made);
    assert_int_equal(verify_leaf(second, &new, "a.test", wall_late_ms), X509_V_OK);
    assert_int_not_equal(verify_leaf(second, &old, "a.test", wall_late_ms), X509_V_OK);
}

static void a_certificate_is_kept_until_two_thirds_of_its_life(void **state)
{
    (void)state;
    AUTO(local_ca_close) struct local_ca *ca = open_ca(wall_start_ms);
    AUTO(local_ca_leaf_done) struct local_ca_leaf first = {0};
    AUTO(local_ca_leaf_done) struct local_ca_leaf kept = {0};
    AUTO(local_ca_leaf_done) struct local_ca_leaf renewed = {0};
    const char *names[] = {"a.test", "b.test"};
    const char *turned[] = {"b.test", "a.test", "b.test"};

    issue(ca, names, 2, wall_start_ms, &first);
    int64_t days = (first.wall_renew_ms - wall_start_ms) / MS_PER_DAY;
    assert_true(days >= 59 && days <= 60);
    issue(ca, turned, 3, first.wall_renew_ms - 1, &kept);
    assert_false(kept.made);
    assert_string_equal(kept.certificate_pem.ptr, first.certificate_pem.ptr);
    assert_string_equal(kept.key_pem.ptr, first.key_pem.ptr);
    issue(ca, names, 2, first.wall_renew_ms, &renewed);
    assert_true(renewed.made);
    assert_string_not_equal(renewed.key_pem.ptr, first.key_pem.ptr);
    assert_int_equal(verify_leaf(ca, &renewed, "b.test", first.wall_renew_ms), X509_V_OK);
}

static void other_names_or_a_damaged_file_make_a_new_certificate(void **state)
{
    (void)state;
    AUTO(local_ca_close) struct local_ca *ca = open_ca(wall_start_ms);
    const char *names[] = {"a.test", "b.test"};
    const char *more[] = {"a.test", "b.test", "c.test"};
    struct err err;

    for (int round = 0; round < 5; round++) {
        AUTO(local_ca_leaf_done) struct local_ca_leaf leaf = {0};
        if (round == 3)
            assert_true(file_write(in_dir("leaf/shop.pem"), STR("rubbish\n"), 0600, &err));
        if (round == 4)
            assert_int_equal(chmod(in_dir("leaf/shop.pem"), 0644), 0);
        const char *const *wanted = round == 1 ? more : names;
        issue(ca, wanted, round == 1 ? 3 : round == 2 ? 1 : 2, wall_start_ms, &leaf);
        assert_true(leaf.made);
        if (round == 2)
            assert_int_equal(verify_leaf(ca, &leaf, "b.test", wall_start_ms),
                             X509_V_ERR_HOSTNAME_MISMATCH);
    }
}

static void refuse_open(enum err_code code, const char *text)
{
    struct err err = {0};
    AUTO(local_ca_close) struct local_ca *ca = local_ca_open(dir, wall_start_ms, &err);
    assert_null(ca);
    assert_int_equal(err.code, code);
    if (strstr(err.text, text) == NULL)
        fail_msg("no '%s' in: %s", text, err.text);
    assert_null(strchr(err.text, '\n'));
}

static void damaged_missing_or_readable_keys_are_refused_by_name(void **state)
{
    (void)state;
    struct err err;

    local_ca_close(open_ca(wall_start_ms));
    assert_int_equal(chmod(in_dir("ca-key.pem"), 0640), 0);
    refuse_open(ERR_DENIED, "ca-key.pem: others may read it (mode 640)");
    assert_true(file_write(in_dir("ca-key.pem"), STR("rubbish"), 0600, &err));
    refuse_open(ERR_INVALID, "ca-key.pem: not a private key");
    AUTO(evp_pkey_free) EVP_PKEY *key = x509_key_new(&err);
    AUTO(secret_done) struct secret pem = {0};
    assert_true(x509_key_format(key, &pem, &err));
    assert_true(file_write(in_dir("ca-key.pem"), secret_str(&pem), 0600, &err));
    refuse_open(ERR_INVALID, "ca-key.pem: does not belong");
    assert_int_equal(unlink(in_dir("ca-key.pem")), 0);
    refuse_open(ERR_INVALID, "is missing though ca.pem is there");
    assert_true(file_write(in_dir("ca.pem"), STR("rubbish"), 0644, &err));
    refuse_open(ERR_INVALID, "ca.pem: not a certificate");
    char *large = mem_new(PEM_FILE_MAX + 2);
    memset(large, 'x', PEM_FILE_MAX + 1);
    assert_true(file_write(in_dir("ca.pem"), str_of(large), 0644, &err));
    free(large);
    refuse_open(ERR_LIMIT, "larger than 65536 bytes");
}

static void a_leaf_in_place_of_the_authority_is_refused(void **state)
{
    (void)state;
    struct err err;
    AUTO(local_ca_leaf_done) struct local_ca_leaf leaf = {0};
    const char *names[] = {"a.test"};
    struct local_ca *ca = open_ca(wall_start_ms);

    issue(ca, names, 1, wall_start_ms, &leaf);
    local_ca_close(ca);
    assert_true(file_write(in_dir("ca.pem"), secret_str(&leaf.certificate_pem), 0644, &err));
    refuse_open(ERR_INVALID, "ca.pem: not the certificate of an authority");
}

static void only_names_of_the_four_domains_are_covered(void **state)
{
    (void)state;
    static const char *const yes[] = {"localhost",       "a.localhost", "x-1.y.test",
                                      "db.internal",     "*.shop.test", "*.a.b.localhost",
                                      "under_score.test"};
    static const char *const no[] = {"",
                                     ".",
                                     "test",
                                     "internal",
                                     "example.com",
                                     "localhost.com",
                                     "nottest",
                                     "a.nottest",
                                     "*.test",
                                     "*.localhost",
                                     "*",
                                     "*.",
                                     "a.*.test",
                                     "*x.a.test",
                                     ".test",
                                     "a..test",
                                     "a.test.",
                                     "A.test",
                                     "-a.test",
                                     "a-.test",
                                     "a b.test",
                                     "a.test,DNS:b",
                                     "127.0.0.1",
                                     "a.test\n",
                                     "\xc3\xa4.test"};
    char long_label[80];

    for (size_t i = 0; i < ARRAY_LEN(yes); i++)
        if (!local_ca_covers(str_of(yes[i])))
            fail_msg("'%s' is not covered", yes[i]);
    for (size_t i = 0; i < ARRAY_LEN(no); i++)
        if (local_ca_covers(str_of(no[i])))
            fail_msg("'%s' is covered", no[i]);
    (void)snprintf(long_label, sizeof long_label, "%064d.test", 0);
    assert_false(local_ca_covers(str_of(long_label)));
    assert_true(local_ca_covers(str_of(long_label + 1)));
    assert_false(local_ca_covers(str_from("a.test\0.test", 12)));
}

static void name_length_has_a_limit(void **state)
{
    (void)state;
    AUTO(buf_done) struct buf name = {0};

    for (int i = 0; i < 124; i++)
        buf_add_text(&name, "a.");
    buf_add_text(&name, "test"); /* 252 bytes */
    assert_true(local_ca_covers(buf_str(&name)));
    buf_clear(&name);
    for (int i = 0; i < 125; i++)
        buf_add_text(&name, "a.");
    buf_add_text(&name, "test"); /* 254 bytes */
    assert_false(local_ca_covers(buf_str(&name)));
}

static void refuse_request(const char *id, const char *const *names, size_t count,
                           enum err_code code, const char *text)
{
    struct err err = {0};
    struct local_ca_request request = {id, names, count};
    AUTO(local_ca_leaf_done) struct local_ca_leaf leaf = {0};
    AUTO(local_ca_close) struct local_ca *ca = open_ca(wall_start_ms);

    assert_false(local_ca_issue(ca, &request, wall_start_ms, &leaf, &err));
    assert_int_equal(err.code, code);
    if (strstr(err.text, text) == NULL)
        fail_msg("no '%s' in: %s", text, err.text);
    assert_null(leaf.key_pem.ptr);
}

static void bad_requests_are_refused(void **state)
{
    (void)state;
    const char *good[] = {"a.test"};
    const char *bad[] = {"a.test", "shop.example.com"};
    const char *many[LOCAL_CA_NAMES_MAX + 1];
    char id[LOCAL_CA_ID_MAX + 2];

    memset(id, 'a', sizeof id);
    id[sizeof id - 1] = '\0';
    for (size_t i = 0; i < ARRAY_LEN(many); i++)
        many[i] = "a.test";
    refuse_request("shop", bad, 2, ERR_INVALID, "not 'shop.example.com'");
    refuse_request("shop", good, 0, ERR_LIMIT, "1 to 100 names, not 0");
    refuse_request("shop", many, ARRAY_LEN(many), ERR_LIMIT, "not 101");
    refuse_request("../x", good, 1, ERR_INVALID, "bad certificate id '../x'");
    refuse_request(".", good, 1, ERR_INVALID, "bad certificate id");
    refuse_request("", good, 1, ERR_LIMIT, "1 to 64 bytes");
    refuse_request(id, good, 1, ERR_LIMIT, "not 65");
}

static void a_secret_is_a_copy_and_empty_when_done(void **state)
{
    (void)state;
    static char bytes[] = "hunter2";
    struct secret secret = {0};

    secret_set(&secret, str_of(bytes));
    assert_ptr_not_equal(secret.ptr, bytes);
    assert_string_equal(secret.ptr, "hunter2");
    secret_set(&secret, STR("x"));
    assert_int_equal(secret.len, 1);
    secret_done(&secret);
    assert_null(secret.ptr);
    assert_int_equal(secret.len, 0);
}

#define IN_DIR(test) cmocka_unit_test_setup_teardown(test, make_dir, remove_dir)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_DIR(a_certificate_is_accepted_for_its_names_and_no_others),
        IN_DIR(a_stolen_key_signs_nothing_outside_the_four_domains),
        IN_DIR(an_authority_below_it_is_refused),
        IN_DIR(the_openssl_program_accepts_authority_and_certificate),
        IN_DIR(keys_on_disk_are_private),
        IN_DIR(a_second_open_finds_the_same_authority),
        IN_DIR(an_authority_about_to_end_is_replaced_and_so_are_its_certificates),
        IN_DIR(a_certificate_is_kept_until_two_thirds_of_its_life),
        IN_DIR(other_names_or_a_damaged_file_make_a_new_certificate),
        IN_DIR(damaged_missing_or_readable_keys_are_refused_by_name),
        IN_DIR(a_leaf_in_place_of_the_authority_is_refused),
        cmocka_unit_test(only_names_of_the_four_domains_are_covered),
        cmocka_unit_test(name_length_has_a_limit),
        IN_DIR(bad_requests_are_refused),
        cmocka_unit_test(a_secret_is_a_copy_and_empty_when_done),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0
 *
 * Passwords against stored hashes, and the header they come in.
 */
#include "base/base.h"

#include <crypt.h>
#include <errno.h>
#include <openssl/evp.h>

#include "base/mem.h"
#include "edge/auth.h"

enum { MD5_BYTES = 16, APR1_ROUNDS = 1000, APR1_SALT_BYTES = 8, APR1_TEXT_BYTES = 22 };

/* Takes as long for a wrong text as for a right one of the same length. */
static bool is_same(const char *a, const char *b)
{
    size_t len = strlen(a);
    unsigned char difference = 0;

    if (strlen(b) != len)
        return false;
    for (size_t i = 0; i < len; i++)
        difference |= (unsigned char)(a[i] ^ b[i]);
    return difference == 0;
}

/* ---- "$apr1$": what `htpasswd` makes unless it is told otherwise ---- */

static void md5_begin(EVP_MD_CTX *md5)
{
    while (EVP_DigestInit_ex(md5, EVP_md5(), NULL) != 1)
        mem_make_room();
}

static void md5_add(EVP_MD_CTX *md5, const void *bytes, size_t len)
{
    bool added = EVP_DigestUpdate(md5, bytes, len) == 1;
    assert(added);
}

/* 1,000 times, each time in another order, as the first of these hashes (FreeBSD's) did. */
static void apr1_stretch(EVP_MD_CTX *md5, struct str password, struct str salt,
                         unsigned char sum[MD5_BYTES])
{
    for (int round = 0; round < APR1_ROUNDS; round++) {
        md5_begin(md5);
        if (round % 2 != 0)
            md5_add(md5, password.ptr, password.len);
        else
            md5_add(md5, sum, MD5_BYTES);
        if (round % 3 != 0)
            md5_add(md5, salt.ptr, salt.len);
        if (round % 7 != 0)
            md5_add(md5, password.ptr, password.len);
        if (round % 2 != 0)
            md5_add(md5, sum, MD5_BYTES);
        else
            md5_add(md5, password.ptr, password.len);
        (void)EVP_DigestFinal_ex(md5, sum, NULL);
    }
}

static void apr1_sum(EVP_MD_CTX *md5, struct str password, struct str salt,
                     unsigned char sum[MD5_BYTES])
{
    md5_begin(md5);
    md5_add(md5, password.ptr, password.len);
    md5_add(md5, salt.ptr, salt.len);
    md5_add(md5, password.ptr, password.len);
    (void)EVP_DigestFinal_ex(md5, sum, NULL);
    md5_begin(md5);
    md5_add(md5, password.ptr, password.len);
    md5_add(md5, "$apr1$", 6);
    md5_add(md5, salt.ptr, salt.len);
    for (size_t left = password.len; left > 0; left -= MIN(left, MD5_BYTES))
        md5_add(md5, sum, MIN(left, MD5_BYTES));
    for (size_t bits = password.len; bits > 0; bits >>= 1)
        md5_add(md5, bits & 1 ? "" : password.ptr, 1); /* "": its NUL */
    (void)EVP_DigestFinal_ex(md5, sum, NULL);
    apr1_stretch(md5, password, salt, sum);
}

static void apr1_format(const unsigned char sum[MD5_BYTES], char ret[APR1_TEXT_BYTES + 1])
{
    static const char digits[] = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    static const uint8_t order[5][3] = {{0, 6, 12}, {1, 7, 13}, {2, 8, 14}, {3, 9, 15}, {4, 10, 5}};
    char *at = ret;

    for (size_t i = 0; i < 5; i++) {
        uint32_t bits =
            (uint32_t)sum[order[i][0]] << 16 | (uint32_t)sum[order[i][1]] << 8 | sum[order[i][2]];
        for (size_t k = 0; k < 4; k++, bits >>= 6)
            *at++ = digits[bits & 63];
    }
    *at++ = digits[sum[11] & 63];
    *at++ = digits[sum[11] >> 6];
    *at = '\0';
}

static enum auth_verdict check_apr1(const char *password, struct str rest)
{
    struct str salt = str_sub(rest, 0, str_find(rest, '$'));
    unsigned char sum[MD5_BYTES];
    char text[APR1_TEXT_BYTES + 1];

    if (salt.len == rest.len || salt.len > APR1_SALT_BYTES)
        return AUTH_WRONG;
    EVP_MD_CTX *md5 = EVP_MD_CTX_new();
    if (md5 == NULL)
        return AUTH_UNCHECKED;
    apr1_sum(md5, str_of(password), salt, sum);
    EVP_MD_CTX_free(md5);
    apr1_format(sum, text);
    return is_same(text, rest.ptr + salt.len + 1) ? AUTH_RIGHT : AUTH_WRONG;
}

/* ---- all of them ---- */

enum auth_verdict auth_check_password(const char *password, const char *hash)
{
    static const struct str apr1 = {"$apr1$", 6};

    if (str_starts(str_of(hash), apr1))
        return check_apr1(password, str_sub(str_of(hash), apr1.len, SIZE_MAX));
    struct crypt_data *data = NEW(struct crypt_data);
    /* crypt_r() would be taken over by AddressSanitizer, and the library left out */
    errno = 0;
    const char *made = crypt_rn(password, hash, data, (int)sizeof *data);
    bool checked = made != NULL || errno != ENOMEM;
    bool right = made != NULL && made[0] != '*' && is_same(made, hash);
    explicit_bzero(data, sizeof *data);
    free(data);
    return !checked ? AUTH_UNCHECKED : right ? AUTH_RIGHT : AUTH_WRONG;
}

/* ---- the header ---- */

static int digit_of(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* RFC 4648, 4; with or without the padding. */
static bool read_base64(struct str text, char *ret, size_t room, size_t *ret_len)
{
    uint32_t bits = 0;
    size_t len = 0;

    while (text.len > 0 && text.ptr[text.len - 1] == '=')
        text.len--;
    if (text.len % 4 == 1 || text.len / 4 * 3 + 3 > room)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        int digit = digit_of(text.ptr[i]);
        if (digit < 0)
            return false;
        bits = bits << 6 | (uint32_t)digit;
        if (i % 4 != 0)
            ret[len++] = (char)(bits >> (6 - 2 * (i % 4)) & 0xff);
    }
    *ret_len = len;
    return true;
}

bool auth_read_credentials(struct str value, char *ret, size_t room, struct str *ret_user,
                           struct str *ret_password)
{
    size_t len = 0;

    if (!str_eq_nocase(str_sub(value, 0, 6), STR("basic ")) ||
        !read_base64(str_trim(str_sub(value, 6, SIZE_MAX)), ret, room, &len))
        return false;
    struct str text = str_from(ret, len);
    size_t colon = str_find(text, ':');
    if (colon == len)
        return false;
    *ret_user = str_sub(text, 0, colon);
    *ret_password = str_sub(text, colon + 1, SIZE_MAX);
    for (size_t i = 0; i < len; i++) /* NUL would end it for crypt(3) */
        if ((unsigned char)ret[i] < 0x20 || ret[i] == 0x7f)
            return false;
    return true;
}

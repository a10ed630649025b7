#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Starts the machine's MariaDB by the contract of the official image:
#   MARIADB_ROOT_PASSWORD, _DATABASE, _USER, _PASSWORD   and each with _FILE
#   MARIADB_ROOT_HOST, _ALLOW_EMPTY_ROOT_PASSWORD, _RANDOM_ROOT_PASSWORD
#   the same with MYSQL_ in place of MARIADB_
#   /docker-entrypoint-initdb.d/*.{sh,sql,sql.gz,sql.xz,sql.zst}   once, on an empty data folder
#   arguments after `mariadbd` (or `mysqld`) go to the server, but for a few that only MySQL knows
#   healthcheck.sh [--connect] [--innodb_initialized], which is this file by another name
# Runs as the instance's user; never as root.
set -eu

# Not before the folder is set up: until then the server listens elsewhere.
check_health() {
    mariadb-admin --no-defaults --silent ping || return 1
    for test in "$@"; do
        case "$test" in
        --connect | --su-mysql | --no-defaults) ;;
        --innodb_initialized)
            mariadb --no-defaults --skip-column-names --execute="SELECT 1 FROM information_schema.ENGINES
                WHERE ENGINE = 'InnoDB' AND SUPPORT IN ('YES', 'DEFAULT')" | grep -q 1 || return 1
            ;;
        *)
            echo "healthcheck.sh: '$test' is not known here; --connect and --innodb_initialized are" >&2
            return 1
            ;;
        esac
    done
}

if [ "${0##*/}" = healthcheck.sh ]; then
    check_health "$@"
    exit
fi
. /usr/local/lib/database-setup.sh

data=/var/lib/mysql
private=/run/mysqld/private.sock # while the data folder is set up

# value_of <name>: MARIADB_<name>, else MYSQL_<name>, or what is in the file that either names.
value_of() {
    eval "given MARIADB_$1 \"\${MARIADB_$1:-\${MYSQL_$1-}}\" \"\${MARIADB_$1_FILE:-\${MYSQL_$1_FILE-}}\""
}

wants_help_or_version() {
    for argument in "$@"; do
        case "$argument" in
        -'?' | --help | --print-defaults | -V | --version) return 0 ;;
        esac
    done
    return 1
}

# As a text, and as a name, of SQL.
quote() {
    printf "'%s'" "$(printf '%s' "$1" | sed -e 's/\\/\\\\/g' -e "s/'/\\\\'/g")"
}

quote_name() {
    printf '`%s`' "$(printf '%s' "$1" | sed 's/`/``/g')"
}

client() {
    mariadb --no-defaults --socket="$private" --user=root --binary-mode "$@"
}

# Options of MySQL that change nothing here and that MariaDB would stop at. What is left is in "$@"
# of who evaluates what this prints.
without_foreign_options() {
    for argument in "$@"; do
        case "$argument" in
        --default-authentication-plugin=* | --authentication-policy=* | --mysql-native-password* | \
            --mysqlx* | --loose-mysqlx* | --caching-sha2-password*)
            say "leaving out $argument, which MariaDB has not"
            ;;
        *) printf "'%s' " "$(printf '%s' "$argument" | sed "s/'/'\\\\''/g")" ;;
        esac
    done
}

run_sql() {
    client "$@"
}

# Only by the socket, while the folder is being set up: nobody meets half a database.
start_private() {
    mariadbd "$@" --skip-networking --socket="$private" --skip-log-error &
    server=$!
    until mariadb-admin --no-defaults --socket="$private" --user=root --silent ping 2>/dev/null; do
        kill -0 "$server" 2>/dev/null || fail "the server ended while '$data' was being set up"
        sleep 0.2
    done
}

stop_private() {
    mariadb-admin --no-defaults --socket="$private" --user=root shutdown
    wait "$server"
}

# The user of the health check may do nothing, and is nobody but this instance's own processes.
make_users() {
    cat <<'SQL'
DELETE FROM mysql.global_priv
    WHERE Host <> 'localhost' OR User NOT IN ('root', 'mysql', 'mariadb.sys');
FLUSH PRIVILEGES;
SQL
    echo 'CREATE USER IF NOT EXISTS mysql@localhost IDENTIFIED VIA unix_socket;'
    if [ -n "$root_host" ] && [ "$root_host" != localhost ]; then
        cat <<SQL
CREATE USER root@$(quote "$root_host") IDENTIFIED BY $(quote "$root_password");
GRANT ALL ON *.* TO root@$(quote "$root_host") WITH GRANT OPTION;
SQL
    fi
    if [ -n "$database" ]; then
        printf 'CREATE DATABASE IF NOT EXISTS %s;\n' "$(quote_name "$database")"
    fi
    if [ -n "$user" ]; then
        printf 'CREATE USER %s@%s IDENTIFIED BY %s;\n' \
            "$(quote "$user")" "'%'" "$(quote "$password")"
        if [ -n "$database" ]; then
            printf 'GRANT ALL ON %s.* TO %s@%s;\n' \
                "$(quote_name "$database" | sed 's/_/\\_/g')" "$(quote "$user")" "'%'"
        fi
    fi
    printf 'ALTER USER root@localhost IDENTIFIED BY %s;\n' "$(quote "$root_password")"
}

set_up() {
    if [ -z "$root_password" ] && [ -z "$(value_of ALLOW_EMPTY_ROOT_PASSWORD)" ]; then
        say "error: the database is new and has no password for root"
        say "set MARIADB_ROOT_PASSWORD (or MARIADB_ROOT_PASSWORD_FILE), for example in .env;"
        say "MARIADB_ALLOW_EMPTY_ROOT_PASSWORD=1 does without one"
        exit 1
    fi
    : >"$data/.setting-up"
    mariadb-install-db --no-defaults --datadir="$data" --auth-root-authentication-method=normal \
        --skip-test-db --skip-name-resolve >&2
    start_private "$@"
    make_users | client
    MYSQL_PWD=$root_password
    export MYSQL_PWD
    if [ -n "$database" ]; then
        run_init_files --database="$database"
    else
        run_init_files
    fi
    stop_private
    rm -- "$data/.setting-up"
    unset MYSQL_PWD
    say "the database is set up"
}

case "${1:-}" in
-* | '') set -- mariadbd "$@" ;;
mysqld)
    shift
    set -- mariadbd "$@"
    ;;
esac

if [ "$1" = mariadbd ] && ! wants_help_or_version "$@"; then
    root_password=$(value_of ROOT_PASSWORD)
    root_host=$(value_of ROOT_HOST)
    database=$(value_of DATABASE)
    user=$(value_of USER)
    password=$(value_of PASSWORD)
    : "${root_host:=%}"
    if [ -n "$(value_of RANDOM_ROOT_PASSWORD)" ] && [ -z "$root_password" ]; then
        root_password=$(head -c 24 /dev/urandom | base64)
    fi

    mkdir -p -- /run/mysqld
    shift
    eval "set -- $(without_foreign_options "$@")"
    if [ -e "$data/mysql.ibd" ]; then
        fail "'$data' belongs to MySQL, this is MariaDB; dump it there and restore here"
    fi
    if [ -e "$data/.setting-up" ]; then # half a database: it is there until the last script has run
        say "the set-up of '$data' was interrupted; it begins again"
        find "$data" -mindepth 1 ! -path "$data/.setting-up" -delete
        rm -- "$data/.setting-up" # the last: this may be interrupted as well
    fi
    if [ ! -d "$data/mysql" ]; then
        if [ -n "$(ls -A -- "$data")" ]; then
            fail "'$data' is not empty and holds no database; empty it"
        fi
        if [ -n "$(value_of RANDOM_ROOT_PASSWORD)" ]; then
            say "the password of root is $root_password"
        fi
        set_up "$@"
    fi
    # The image's server listens everywhere; here that is the instance's own network.
    exec mariadbd --bind-address='*' --skip-name-resolve --skip-log-error "$@"
fi

exec "$@"

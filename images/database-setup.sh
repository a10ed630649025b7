# SPDX-License-Identifier: Apache-2.0
#
# What the entry points of databases have in common; they read it with `.`, and define
#   run_sql    runs the SQL that comes on its standard input, with the arguments of run_init_files

say() {
    printf '%s\n' "$*" >&2
}

fail() {
    say "error: $*"
    exit 1
}

# given <name> <value> <file>: the value, or the content of the file that <name>_FILE names. Both at
# once are a mistake worth stopping for.
given() {
    if [ -n "$2" ] && [ -n "$3" ]; then
        fail "both $1 and $1_FILE are set; keep one"
    fi
    if [ -n "$3" ]; then
        [ -r "$3" ] || fail "$1_FILE names '$3', which cannot be read"
        cat -- "$3"
    else
        printf '%s' "$2"
    fi
}

run_init_files() {
    for file in /docker-entrypoint-initdb.d/*; do
        case "$file" in
        *.sh)
            say "running $file"
            if [ -x "$file" ]; then
                "$file"
            else
                . "$file"
            fi
            ;;
        *.sql) say "running $file" && run_sql "$@" <"$file" ;;
        *.sql.gz) say "running $file" && gzip -dc -- "$file" | run_sql "$@" ;;
        *.sql.xz) say "running $file" && xz -dc -- "$file" | run_sql "$@" ;;
        *.sql.zst) say "running $file" && zstd -dc -- "$file" | run_sql "$@" ;;
        */'*') ;;
        *) say "ignoring $file" ;;
        esac
    done
}

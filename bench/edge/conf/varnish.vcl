vcl 4.1;
# Varnish as a cache, with the same security headers; its log stays in shared memory.
backend server { .host = "127.0.0.1"; .port = "@BACKEND@"; }
sub vcl_deliver {
    set resp.http.X-Frame-Options = "DENY";
    set resp.http.X-Content-Type-Options = "nosniff";
    set resp.http.X-XSS-Protection = "1; mode=block";
}

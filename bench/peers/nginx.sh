#!/bin/sh
# nginx.sh ROW PORT - the http row of bench-peers on nginx: one process, the answer in its
# configuration. $TMPDIR is the run's, which removes it.
set -eu
[ "$1" = http ] || exit 77
dir=$(mktemp -d)
cat >"$dir/conf" <<END
daemon off; master_process off; pid $dir/pid; error_log /dev/null crit;
events { worker_connections 1024; }
http {
    access_log off; default_type text/plain; keepalive_requests 1000000000;
    client_body_temp_path $dir/n1; proxy_temp_path $dir/n2; fastcgi_temp_path $dir/n3;
    uwsgi_temp_path $dir/n4; scgi_temp_path $dir/n5;
    server { listen 127.0.0.1:$2 backlog=4096; location / { return 200 "Hello, World!"; } }
}
END
exec nginx -c "$dir/conf" -e /dev/null

#!/bin/sh
# build.sh DIRECTORY - makes DIRECTORY/NAME for every peer whose tools this machine has, and says
# which are left out and why. A peer that cannot be built never stops the others.
set -eu
mkdir -p "$1/log"
out=$(cd "$1" && pwd)
here=$(cd "$(dirname "$0")" && pwd)

left_out() { # NAME WHY
    rm -f "$out/$1"
    echo "bench-peers: $1 is left out: $2"
}

has() { # NAME COMMAND...: false, and it is left out, when one of the commands is missing
    name=$1
    shift
    for command in "$@"; do
        command -v "$command" >/dev/null && continue
        left_out "$name" "there is no $command"
        return 1
    done
}

made() { # NAME FUNCTION: runs it; what it says goes to a log
    "$2" >"$out/log/$1" 2>&1 || left_out "$1" "it does not build, see $out/log/$1"
}

newer() { # FILE THAN...
    file=$1
    shift
    for than in "$@"; do
        [ "$file" -nt "$than" ] || return 1
    done
}

script() { # NAME LINE: a program that becomes another one
    printf '#!/bin/sh\nexec %s "$@"\n' "$2" >"$out/$1"
    chmod +x "$out/$1"
}

tokio() {
    (cd "$here/tokio" && CARGO_TARGET_DIR="$out/cargo" cargo build --release --locked) &&
        cp "$out/cargo/release/peer" "$out/tokio"
}

go_peer() {
    (cd "$here/go" && GOFLAGS=-mod=mod go build -o "$out/go" .)
}

libuv() {
    newer "$out/libuv" "$here/libuv/peer.c" ||
        cc -O2 -o "$out/libuv" "$here/libuv/peer.c" $(pkg-config --cflags --libs libuv)
}

asio() {
    newer "$out/asio" "$here/asio/peer.cpp" ||
        c++ -std=c++20 -O2 -o "$out/asio" "$here/asio/peer.cpp" -pthread
}

fiber() {
    newer "$out/fiber" "$here/fiber/peer.cpp" ||
        c++ -std=c++20 -O2 -o "$out/fiber" "$here/fiber/peer.cpp" -pthread \
            -lboost_fiber -lboost_context
}

lwt() {
    newer "$out/lwt" "$here/lwt/peer.ml" && return
    mkdir -p "$out/ocaml" && cp "$here/lwt/peer.ml" "$out/ocaml" &&
        (cd "$out/ocaml" && ocamlfind ocamlopt -thread -package lwt,lwt.unix -linkpkg \
            -inline 200 -unsafe -o "$out/lwt" peer.ml)
}

venv() {
    newer "$out/venv/ready" "$here/python/requirements.txt" && return
    rm -rf "$out/venv"
    python3 -m venv "$out/venv" &&
        "$out/venv/bin/pip" install -r "$here/python/requirements.txt" && : >"$out/venv/ready"
}

uvloop() {
    venv && script uvloop "'$out/venv/bin/python' '$here/python/peer.py' uvloop"
}

if has tokio cargo; then made tokio tokio; fi
if has go go; then made go go_peer; fi
if has libuv cc pkg-config; then made libuv libuv; fi
if has asio c++; then made asio asio; fi
if has fiber c++; then made fiber fiber; fi
if has lwt ocamlfind; then made lwt lwt; fi
if has node node; then script node "node --expose-gc '$here/node/peer.js'"; fi
if has asyncio python3; then script asyncio "python3 '$here/python/peer.py' asyncio"; fi
if has uvloop python3; then made uvloop uvloop; fi
if has nginx nginx; then script nginx "sh '$here/nginx.sh'"; fi

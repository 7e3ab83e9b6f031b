#!/usr/bin/env bash
# Makes an environment that runs the project: `tools/setup.sh dev` or `tools/setup.sh models`.
# Does nothing when the environment already matches the lock files. Wants Linux; on Debian, as root,
# it installs the system packages that are missing.
set -euo pipefail
cd "$(dirname "$0")/.."

kind=${1:?dev or models}
case $kind in
    dev)
        venv=.venv locks=(requirements/dev.txt)
        members=(proto libs/alprcore libs/alprdraw cli services/{ingest,recognizer,matcher,audit,retention,console}) ;;
    models)
        venv=.venv-recognizer locks=(requirements/models.txt requirements/test.txt)
        members=(proto libs/alprcore libs/alprdraw cli services/recognizer) ;;
    *) echo "unknown environment: $kind" >&2; exit 64 ;;
esac

missing=()
need() { # command, Debian package
    command -v "$1" >/dev/null || missing+=("$2")
}
need java default-jre-headless
need mvn maven
need ffmpeg ffmpeg
if [ "$kind" = dev ]; then # the ledger's second verifier: its tests are skipped without
    command -v go >/dev/null || [ -x /usr/local/go/bin/go ] || missing+=(golang-go)
    [ -d /usr/share/gocode/src/golang.org/x/mod/sumdb ] || missing+=(golang-golang-x-mod-dev)
    [ -x /usr/sbin/sshd ] || missing+=(openssh-server) # lists are fetched from a real one in the tests
    need promtool prometheus                           # rules and dashboards are tested with the real one
fi
command -v chromium >/dev/null || command -v google-chrome >/dev/null || missing+=(chromium)
compgen -G '/usr/share/fonts/*/*' >/dev/null || missing+=(fonts-dejavu-core) # pages without letters otherwise
compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null || command -v initdb >/dev/null || missing+=(postgresql)
ldconfig -p | grep -q libGL.so.1 || missing+=(libgl1)            # opencv loads it
ldconfig -p | grep -q libglib-2.0.so.0 || missing+=(libglib2.0-0) # same
command -v uv >/dev/null || python3 -c 'import ensurepip, venv' 2>/dev/null || missing+=(python3-venv)
if ((${#missing[@]})); then
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        if [ ! -e /usr/sbin/policy-rc.d ]; then # no server is started by being installed: those who need one start it
            trap 'rm -f /usr/sbin/policy-rc.d' EXIT
            install -m 755 /dev/stdin /usr/sbin/policy-rc.d <<<$'#!/bin/sh\nexit 101'
        fi
        apt-get update -qq
        DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}"
    else
        echo "missing: ${missing[*]} (Debian package names); some tests will be skipped, make run may not start" >&2
    fi
fi

stamp=$(cat "$0" "${locks[@]}" "${members[@]/%//pyproject.toml}" | sha256sum)
if [ "$(cat $venv/.stamp 2>/dev/null || true)" = "$stamp" ]; then
    exit 0
fi

python=
for candidate in "${PYTHON:-}" python3 python3.11 python3.12 python3.13; do
    if [ -n "$candidate" ] && "$candidate" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null; then
        python=$("$candidate" -c 'import sys; print(sys.executable)'); break
    fi
done
[ -n "$python" ] || { echo "Python 3.11, 3.12 or 3.13 is needed" >&2; exit 69; }

rm -f $venv/.stamp
editable=() ; for member in "${members[@]}"; do editable+=(-e "$member"); done
hashed=() ; for lock in "${locks[@]}"; do hashed+=(-r "$lock"); done
if command -v uv >/dev/null; then
    [ -x $venv/bin/python ] || uv venv --quiet --python "$python" $venv
    uv pip install --quiet --python $venv/bin/python --require-hashes "${hashed[@]}"
    uv pip install --quiet --python $venv/bin/python --no-deps --no-build-isolation "${editable[@]}"
else
    [ -x $venv/bin/python ] || "$python" -m venv $venv
    # the files are complete; pip, not knowing our override of opencv-python, would ask for it
    $venv/bin/python -m pip install --quiet --no-deps --require-hashes "${hashed[@]}"
    $venv/bin/python -m pip install --quiet --no-deps --no-build-isolation "${editable[@]}"
fi
echo "$stamp" >$venv/.stamp
echo "$venv is ready"

#!/bin/sh
# LocalStack's S3 without Docker, in the foreground.
#
#   GATEWAY_LISTEN      where to listen                 default 127.0.0.1:4566
#   LOCALSTACK_VENV     a venv that has it installed    default .state/venv, made here when missing
#   LOCALSTACK_STATE    where it keeps its files        default .state/volume
#   LOCALSTACK_PYTHON   what to make the venv with      default python3.11
#
# With --install it installs, and starts nothing.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
venv=${LOCALSTACK_VENV:-$here/.state/venv}
state=${LOCALSTACK_STATE:-$here/.state/volume}

if [ -z "${LOCALSTACK_VENV:-}" ]; then
    mkdir -p "$here/.state"
    if command -v flock >/dev/null; then # whoever comes meanwhile waits until it is installed
        exec 9>"$here/.state/lock"
        flock 9
    fi
    # The mark holds what was installed, so that a change of the pins, or a
    # broken install, is noticed.
    if ! cmp -s "$here/requirements.txt" "$venv/installed.txt"; then
        rm -rf "$venv"
        "${LOCALSTACK_PYTHON:-python3.11}" -m venv "$venv"
        "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps --no-compile -r "$here/requirements.txt" >&2
        cp "$here/requirements.txt" "$venv/installed.txt"
    fi
    exec 9>&-
fi
[ "${1:-}" = "--install" ] && exit 0

mkdir -p "$state"
export GATEWAY_LISTEN="${GATEWAY_LISTEN:-127.0.0.1:4566}"
export SERVICES=s3 EAGER_SERVICE_LOADING=1 DISABLE_EVENTS=1 SKIP_SSL_CERT_DOWNLOAD=1
export LOCALSTACK_VOLUME_DIR="$state"
exec "$venv/bin/python" -m localstack.runtime.main

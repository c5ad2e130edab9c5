#!/bin/sh
# Starts the server; under debugpy with DEBUG_MODE=true, and waiting for the debugger with DEBUG_WAIT=true as well.
# The server reads those settings itself, so `make run` honours them in the same way. From outside a container, debugpy
# is only reachable on all of its addresses.
set -eu
export DEBUG_HOST="${DEBUG_HOST:-0.0.0.0}"
exec python -m app "$@"

#!/bin/sh
# `serve`, and whatever else the greenroom command knows. Before it serves, the database is waited for and migrated; of
# several containers that start together one migrates, and the others wait for it.
#
# DEBUG_MODE=true serves under debugpy on DEBUG_PORT, DEBUG_WAIT=true waits there for the debugger; the server reads
# those settings itself, so `make run` honours them in the same way. From outside a container, debugpy is reachable on
# all of its addresses only.
set -eu
export DEBUG_HOST="${DEBUG_HOST:-0.0.0.0}"
if [ "${1:-}" = serve ]; then
    greenroom migrate --wait "${DATABASE_WAIT_SECONDS:-60}"
fi
# In the shell's place, so that signals reach the server.
exec greenroom "$@"

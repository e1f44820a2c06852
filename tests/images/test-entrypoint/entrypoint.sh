#!/bin/sh
# Scripts that run behind this entrypoint see the variable; scripts that bypass it do not.
export FROM_ENTRYPOINT=yes
echo "banner of the entrypoint"
exec "$@"

#!/bin/sh
echo "test service: starting"
sleep "${START_DELAY:-0}"
if [ -n "${EXIT_CODE:-}" ]; then
  echo "test service: giving up with exit code $EXIT_CODE" >&2
  exit "$EXIT_CODE"
fi
echo "test service: listening on port 8080"
exec httpd -f -p 8080 -h /srv

#!/bin/sh
# Syntax and format alone: the first answer of a pipeline should come within seconds.
different=$(gofmt -s -l .) || exit
[ -z "$different" ] || { echo "not formatted (gofmt -s -w): $different"; exit 1; }
echo "every file is formatted"

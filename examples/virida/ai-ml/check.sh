#!/bin/sh
# Syntax alone, without any dependency: the first answer of a pipeline should come within seconds.
exec python3 -m compileall -f wsgi.py virida tests

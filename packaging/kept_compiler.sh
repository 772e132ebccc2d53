#!/bin/sh
# A C++ compiler that keeps the objects which see no TensorFlow.
#
# Nine tenths of the ops are the same for every TensorFlow. op_libraries.py names this file as CXX,
# so that they are compiled once. Environment:
#
#   KEPT_COMPILER  the compiler that does the work
#   KEPT_OBJECTS   where the objects are kept; a folder of its own for each state of the sources
set -eu

# build.py gives TensorFlow's headers with -isystem; without -c it links.
case " $* " in
*" -isystem"*) exec "$KEPT_COMPILER" "$@" ;;
*" -c "*) ;;
*) exec "$KEPT_COMPILER" "$@" ;;
esac

for output; do :; done # build.py ends each command with -o OBJECT
name=$(printf '%s\0' "$KEPT_COMPILER" "$@" | head -z -n -1 | head -c -1 | sha256sum | cut -c 1-16)
kept=$KEPT_OBJECTS/$name.o
if [ ! -e "$kept" ]; then
    "$KEPT_COMPILER" "$@"
    cp "$output" "$kept.$$"
    mv "$kept.$$" "$kept" # whole or not at all
fi
cp "$kept" "$output"

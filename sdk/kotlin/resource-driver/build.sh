#!/bin/sh
# Builds the driver of the library for APIs into a folder.
set -eu
out=$1
mvn -q -B -DskipTests -Dbuild.root="$out" -pl jose,resource,resource-driver package
cp "$out"/resource-driver/resource-driver-*.jar "$out/resource-driver/lib/"

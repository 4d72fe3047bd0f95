#!/bin/sh
# Builds the driver of the library for APIs into a folder, and beside it an archive of its classes, as driver/build.sh does.
set -eu
out=$1
mvn -q -B -DskipTests -Dbuild.root="$out" -pl jose,resource,resource-driver package
cp "$out"/resource-driver/resource-driver-*.jar "$out/resource-driver/lib/"
{
  echo '{"id": 1, "do": "open", "issuer": "http://127.0.0.1:1", "client_id": "a", "client_secret": "b", "operations": []}'
  sleep 1
} | java -XX:ArchiveClassesAtExit="$out/driver.jsa" -XX:+UseSerialGC -cp "$out/resource-driver/lib/*" dev.sojourn.resource.driver.Main >"$out/lived" 2>&1

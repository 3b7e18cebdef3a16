#!/bin/sh
# A compiler launcher that takes the object which another build of the same source has made:
# $SCRY_BUILT is its folder. What is not there is compiled.
for argument; do
  case "$before" in
    -o) object=$argument ;;
    -MF) depends=$argument ;;
  esac
  before=$argument
done
if [ -n "$depends" ] && ln -f "$SCRY_BUILT/$object" "$object" 2>/dev/null; then
  echo "$object:" >"$depends"
else
  exec "$@"
fi

# Write OUT, a header that says of which commit the tree SOURCE is, and whether its sources differ from that;
# only when this is news. Runs with every build: a commit after the last configuring counts, too.
#
#   cmake -D SOURCE=DIR -D OUT=FILE -P tools/commit.cmake
set(git git --no-optional-locks -C ${SOURCE})
set(commit "unknown")
execute_process(COMMAND ${git} ls-files --error-unmatch CMakeLists.txt
                RESULT_VARIABLE foreign OUTPUT_QUIET ERROR_QUIET)
if(foreign EQUAL 0)
  execute_process(COMMAND ${git} rev-parse --short=12 HEAD
                  OUTPUT_VARIABLE commit OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
  execute_process(COMMAND ${git} diff --quiet HEAD -- src CMakeLists.txt CMakePresets.json
                  RESULT_VARIABLE changed OUTPUT_QUIET ERROR_QUIET)
  if(NOT changed EQUAL 0)
    string(APPEND commit "+changes")
  endif()
endif()
file(CONFIGURE OUTPUT ${OUT} CONTENT
"/* commit.h - written by tools/commit.cmake. */
#ifndef COMMIT_H
#define COMMIT_H

#define MRAD_COMMIT \"${commit}\"

#endif /* COMMIT_H */
")

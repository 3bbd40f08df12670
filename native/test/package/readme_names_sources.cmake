# The table of native/README.md has a row for every source file, and for no other.
include(${CMAKE_CURRENT_LIST_DIR}/common.cmake)

file(GLOB_RECURSE files RELATIVE ${native} ${native}/src/* ${native}/include/* ${native}/example/*)
list(SORT files)
file(READ ${native}/README.md text)
string(REGEX MATCHALL "`(src|include|example)/[A-Za-z0-9_/.]+`" named "${text}")
list(TRANSFORM named REPLACE "`" "")
list(REMOVE_DUPLICATES named)
list(SORT named)
expect_equal("The list of files in native/README.md" "${named}" "${files}")

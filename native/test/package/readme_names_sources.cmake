# The table of native/README.md has a row for every source file, and for no other.
include(${CMAKE_CURRENT_LIST_DIR}/common.cmake)

file(GLOB_RECURSE files RELATIVE ${native} ${native}/src/* ${native}/include/* ${native}/example/*)
file(READ ${native}/README.md text)
string(REGEX MATCHALL "\n[|] `[A-Za-z0-9_/.]+`" rows "${text}")
list(TRANSFORM rows REPLACE "\n[|] `|`" "")
set(missing ${files})
list(REMOVE_ITEM missing ${rows})
expect_equal("The list of files without a row in native/README.md" "${missing}" "")
list(REMOVE_ITEM rows ${files})
expect_equal("The list of rows in native/README.md without a file" "${rows}" "")

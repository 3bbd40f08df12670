# The library exports the functions that its headers declare, and nothing else.
include(${CMAKE_CURRENT_LIST_DIR}/common.cmake)

set(declared)
file(GLOB headers ${native}/include/*.h)
foreach(header IN LISTS headers)
  file(READ ${header} text)
  string(REGEX MATCHALL "CN_API [^#(]+[(]" declarations "${text}")
  foreach(declaration IN LISTS declarations)
    string(REGEX MATCH "(cn_[a-z0-9_]+)[(]" name "${declaration}")
    list(APPEND declared ${CMAKE_MATCH_1})
  endforeach()
endforeach()
list(SORT declared)

run(symbols ${nm} --dynamic --defined-only --format=posix ${library})
string(REGEX MATCHALL "[^\n]+\n" symbols "${symbols}")
list(TRANSFORM symbols REPLACE " .*\n" "")
list(SORT symbols)

list(LENGTH declared count)
expect_equal("The list of exported symbols" "${symbols}" "${declared}")
message("${count} functions are declared and exported")

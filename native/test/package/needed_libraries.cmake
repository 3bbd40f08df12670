# The library needs the C library and its mathematical functions only.
include(${CMAKE_CURRENT_LIST_DIR}/common.cmake)

run(dynamic ${readelf} -d ${library})
string(REGEX MATCHALL "\\(NEEDED\\)[^\n]*" needed "${dynamic}")
if(NOT needed)
  message(FATAL_ERROR "${library} needs no library at all:\n${dynamic}")
endif()
foreach(entry IN LISTS needed)
  message("${entry}")
  if(NOT entry MATCHES "\\[(libc|libm|libc\\.musl-[a-z0-9_]+)\\.so(\\.[0-9]+)?\\]")
    message(FATAL_ERROR "${library} needs a further library")
  endif()
endforeach()

# Runs tests with a library that counts on how many threads each function that processes items ran, and requires several
# for all of them.
#   cmake -DLIBRARY=<library> -DCOUNTS=<file to write> -DTESTS=<program>;... -P bodies.cmake
cmake_minimum_required(VERSION 3.20)

file(REMOVE "${COUNTS}")
foreach(test IN LISTS TESTS)
  execute_process(COMMAND ${CMAKE_COMMAND} -E env "LD_PRELOAD=${LIBRARY}" "CN_BODIES=${COUNTS}" "${test}"
                  RESULT_VARIABLE failed OUTPUT_VARIABLE output)
  if(failed)
    message(FATAL_ERROR "${test} fails with ${LIBRARY}:\n${output}")
  endif()
endforeach()

file(STRINGS "${COUNTS}" lines)
foreach(line IN LISTS lines)
  string(REGEX MATCH "^([0-9]+) ([0-9]+) (.+)$" matched "${line}")
  set(number ${CMAKE_MATCH_1})
  list(APPEND numbers ${number})
  set(name_${number} "${CMAKE_MATCH_3}")
  if(CMAKE_MATCH_2 GREATER 1)
    list(APPEND parallel ${number})
  endif()
endforeach()
list(REMOVE_DUPLICATES numbers)
list(REMOVE_DUPLICATES parallel)
list(LENGTH numbers all)
list(LENGTH parallel several)
message("${several} of ${all} kernel bodies ran on several threads")

foreach(number IN LISTS numbers)
  if(NOT number IN_LIST parallel)
    message(SEND_ERROR "Not on several threads: ${name_${number}}")
  endif()
  if("${name_${number}}" IN_LIST names)
    message(SEND_ERROR "Two bodies have this name: ${name_${number}}")
  endif()
  list(APPEND names "${name_${number}}")
endforeach()

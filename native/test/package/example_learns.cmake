# The example learns, and prints the same for every number of threads.
include(${CMAKE_CURRENT_LIST_DIR}/common.cmake)

run(one ${emulator} ${example} -t 1 -e 2 -s 7)
run(four ${emulator} ${example} -t 4 -e 2 -s 7)
message("${one}")
expect_equal("The output with 4 threads" "${four}" "${one}")

string(REGEX MATCHALL "loss [^,]+" losses "${one}")
list(TRANSFORM losses REPLACE "loss " "")
list(GET losses 0 first)
list(GET losses 1 second)
string(REGEX MATCHALL "[0-9]+ of 1000" correct "${one}")
list(GET correct 1 correct)
string(REGEX REPLACE " .*" "" correct "${correct}")
if(NOT (second LESS 0.2 AND second LESS first AND correct GREATER 900))
  message(FATAL_ERROR "the losses are ${losses}, and ${correct} of 1000 images correct")
endif()

# What is wrong is said, with exit code 1.
foreach(arguments IN ITEMS "-t;0" "-x;1" "${work}/missing")
  execute_process(COMMAND ${emulator} ${example} ${arguments} RESULT_VARIABLE code ERROR_VARIABLE error)
  string(REPLACE ";" " " error "${error}")
  message("${error}")
  expect_equal("The exit code for ${arguments}" "${code}" 1)
  if(NOT error MATCHES "^[^\n]+: [^\n]+\n$")
    message(FATAL_ERROR "the message for ${arguments} is ${error}")
  endif()
endforeach()

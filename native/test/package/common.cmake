include(${SETTINGS})

# run(<variable> <command>...): the standard output of a command that must succeed
function(run variable)
  execute_process(COMMAND ${ARGN} RESULT_VARIABLE code OUTPUT_VARIABLE output ERROR_VARIABLE errors)
  if(NOT code EQUAL 0)
    list(JOIN ARGN " " command)
    message(FATAL_ERROR "${command}: exit code ${code}\n${output}\n${errors}")
  endif()
  set(${variable} "${output}" PARENT_SCOPE)
endfunction()

# expect_equal(<what> <actual> <expected>)
function(expect_equal what actual expected)
  if(NOT actual STREQUAL expected)
    message(FATAL_ERROR "${what} is\n${actual}\nbut should be\n${expected}")
  endif()
endfunction()

# run_example(<variable> <program> <argument>...): the output of the example, which needs the installed library
function(run_example variable program)
  file(GLOB_RECURSE installed ${work}/moved/libconvnet.so)
  cmake_path(GET installed PARENT_PATH folder)
  set(ENV{LD_LIBRARY_PATH} "${folder}")
  run(output ${emulator} ${program} ${ARGN})
  set(${variable} "${output}" PARENT_SCOPE)
endfunction()

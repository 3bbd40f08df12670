# A program that is compiled with the flags of pkg-config runs. The header alone is valid C99 and C++.
include(${CMAKE_CURRENT_LIST_DIR}/common.cmake)

if(NOT pkg_config)
  message("skipped: pkg-config is missing")
  return()
endif()
file(GLOB_RECURSE description ${work}/moved/convnet.pc)
cmake_path(GET description PARENT_PATH folder)
set(ENV{PKG_CONFIG_PATH} ${folder})
run(found ${pkg_config} --modversion convnet)
expect_equal("The version" "${found}" "${version}\n")
run(flags ${pkg_config} --cflags --libs convnet)
separate_arguments(flags UNIX_COMMAND "${flags}")

set(sources ${native}/example/lenet5.c ${native}/example/images.c)
run(output ${compiler} -std=c11 -Wall -Wextra -Wpedantic -Werror ${sources} ${flags} -lm -o ${work}/with_pkg_config)
run_example(found ${work}/with_pkg_config -e 1)
run(expected ${emulator} ${example} -e 1)
expect_equal("The output of the example" "${found}" "${expected}")

foreach(language IN ITEMS c99 c++11)
  string(REGEX REPLACE "[0-9]+" "" kind ${language})
  file(WRITE ${work}/header.txt "#include <convnet.h>\n")
  run(output ${compiler} -x ${kind} -std=${language} -Wall -Wextra -Wpedantic -Werror -fsyntax-only ${flags}
      ${work}/header.txt)
endforeach()

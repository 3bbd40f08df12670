# Configures a CMake project and builds one target of it, always optimised. CMake.targets calls it from MSBuild.
#   cmake -DSOURCE=<folder of CMakeLists.txt> -DBUILD=<build folder> -DTARGET=<target> -P build.cmake
# The library lands in BUILD itself under every generator. One process at a time works in a build folder.
cmake_minimum_required(VERSION 3.21)

get_filename_component(SOURCE "${SOURCE}" ABSOLUTE)
file(LOCK "${BUILD}.lock" GUARD PROCESS TIMEOUT 900)

# A copied or moved repository brings a cache along that names the old place.
if(EXISTS "${BUILD}/CMakeCache.txt")
  file(STRINGS "${BUILD}/CMakeCache.txt" home REGEX "^CMAKE_HOME_DIRECTORY:")
  if(NOT home STREQUAL "CMAKE_HOME_DIRECTORY:INTERNAL=${SOURCE}")
    file(REMOVE_RECURSE "${BUILD}")
  endif()
endif()

# $<0:> is empty, but keeps a multi-configuration generator from appending /Release.
execute_process(
  COMMAND ${CMAKE_COMMAND} -S ${SOURCE} -B ${BUILD} -DCMAKE_BUILD_TYPE=Release
          "-DCMAKE_LIBRARY_OUTPUT_DIRECTORY=${BUILD}$<0:>" "-DCMAKE_RUNTIME_OUTPUT_DIRECTORY=${BUILD}$<0:>"
  RESULT_VARIABLE failed OUTPUT_VARIABLE output ERROR_VARIABLE output)
if(failed AND output MATCHES "_COMPILER could be found|unable to find a build program")
  message(FATAL_ERROR "no compiler or make")
elseif(failed)
  message(FATAL_ERROR "${output}")
endif()

cmake_host_system_information(RESULT cores QUERY NUMBER_OF_LOGICAL_CORES)
execute_process(
  COMMAND ${CMAKE_COMMAND} --build ${BUILD} --config Release --target ${TARGET} --parallel ${cores}
  COMMAND_ERROR_IS_FATAL ANY)

# Configures a CMake project and builds one of its targets, always optimised. Called by CMake.targets and test.sh.
#   cmake -DSOURCE=<folder of CMakeLists.txt> -DBUILD=<build folder> -DTARGET=<target> -DINPUTS=<file or folder>;...
#         [-DOPTIONS=<option>;...] -P build.cmake
# The library is written to BUILD itself with every generator. A lock admits one process at a time to a build folder.
# INPUTS are the sources. make and ninja compare only time stamps, so everything is rebuilt if a source has changed
# since the last build but is not newer than it.
cmake_minimum_required(VERSION 3.21)

get_filename_component(SOURCE "${SOURCE}" ABSOLUTE)
file(LOCK "${BUILD}.lock" GUARD PROCESS TIMEOUT 900)

# The cache of a copied or moved repository contains the old path.
if(EXISTS "${BUILD}/CMakeCache.txt")
  file(STRINGS "${BUILD}/CMakeCache.txt" home REGEX "^CMAKE_HOME_DIRECTORY:")
  if(NOT home STREQUAL "CMAKE_HOME_DIRECTORY:INTERNAL=${SOURCE}")
    file(REMOVE_RECURSE "${BUILD}")
  endif()
endif()

# $<0:> is empty, but prevents multi-configuration generators from appending /Release.
execute_process(
  COMMAND ${CMAKE_COMMAND} -S ${SOURCE} -B ${BUILD} -DCMAKE_BUILD_TYPE=Release
          "-DCMAKE_LIBRARY_OUTPUT_DIRECTORY=${BUILD}$<0:>" "-DCMAKE_RUNTIME_OUTPUT_DIRECTORY=${BUILD}$<0:>" ${OPTIONS}
  RESULT_VARIABLE failed OUTPUT_VARIABLE output ERROR_VARIABLE output)
if(failed AND output MATCHES "_COMPILER could be found|unable to find a build program")
  message(FATAL_ERROR "no compiler or make")
elseif(failed)
  message(FATAL_ERROR "${output}")
endif()

# The hashes and paths of the sources of the last build, one per line.
set(built "${BUILD}/${TARGET}.inputs")
set(known)
if(EXISTS "${built}")
  file(STRINGS "${built}" known ENCODING UTF-8)
endif()
set(clean)
set(inputs)
foreach(input IN LISTS INPUTS)
  set(files "${input}")
  if(IS_DIRECTORY "${input}")
    file(GLOB_RECURSE files LIST_DIRECTORIES false "${input}/*")
  endif()
  foreach(path IN LISTS files)
    file(SHA256 "${path}" hash)
    list(APPEND inputs "${hash} ${path}")
    if(NOT "${hash} ${path}" IN_LIST known AND NOT "${path}" IS_NEWER_THAN "${built}")
      set(clean --clean-first)
    endif()
  endforeach()
endforeach()

cmake_host_system_information(RESULT cores QUERY NUMBER_OF_LOGICAL_CORES)
execute_process(
  COMMAND ${CMAKE_COMMAND} --build ${BUILD} --config Release --target ${TARGET} --parallel ${cores} ${clean}
  COMMAND_ERROR_IS_FATAL ANY)
list(JOIN inputs "\n" text)
file(WRITE "${built}" "${text}\n")

# Configures a CMake project and builds one target of it, always optimised. CMake.targets calls it from MSBuild, and
# test.sh does.
#   cmake -DSOURCE=<folder of CMakeLists.txt> -DBUILD=<build folder> -DTARGET=<target> -DINPUTS=<file or folder>;...
#         [-DOPTIONS=<option>;...] -P build.cmake
# The library lands in BUILD itself under every generator. One process at a time works in a build folder.
# make and ninja go by time alone. INPUTS are the sources: where one has another content than it had when the target was
# last built, and is not newer than that, all is built anew.
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
          "-DCMAKE_LIBRARY_OUTPUT_DIRECTORY=${BUILD}$<0:>" "-DCMAKE_RUNTIME_OUTPUT_DIRECTORY=${BUILD}$<0:>" ${OPTIONS}
  RESULT_VARIABLE failed OUTPUT_VARIABLE output ERROR_VARIABLE output)
if(failed AND output MATCHES "_COMPILER could be found|unable to find a build program")
  message(FATAL_ERROR "no compiler or make")
elseif(failed)
  message(FATAL_ERROR "${output}")
endif()

# The hashes and paths of what was built last, a line each.
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

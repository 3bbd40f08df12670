# Installs the library into a folder and moves the folder: nothing in it may refer to where it was built or installed.
include(${CMAKE_CURRENT_LIST_DIR}/common.cmake)

file(REMOVE_RECURSE ${work}/installed ${work}/moved)
run(output ${CMAKE_COMMAND} --install ${build} --config "${configuration}" --prefix ${work}/installed)
file(RENAME ${work}/installed ${work}/moved)

file(GLOB_RECURSE texts ${work}/moved/*.cmake ${work}/moved/*.pc)
foreach(text IN LISTS texts)
  file(READ ${text} content)
  foreach(folder IN ITEMS ${work} ${build} ${native})
    string(FIND "${content}" "${folder}" position)
    if(NOT position EQUAL -1)
      message(FATAL_ERROR "${text} refers to ${folder}")
    endif()
  endforeach()
endforeach()

file(GLOB headers RELATIVE ${native}/include ${native}/include/*)
file(GLOB installed RELATIVE ${work}/moved/include ${work}/moved/include/*)
expect_equal("The list of installed headers" "${installed}" "${headers}")

# libconvnet.so is a link for the linker; programs look for the name with the major version.
string(REGEX MATCH "^[0-9]+" major ${version})
file(GLOB_RECURSE libraries ${work}/moved/libconvnet.so*)
set(names)
foreach(path IN LISTS libraries)
  cmake_path(GET path FILENAME name)
  list(APPEND names ${name})
endforeach()
expect_equal("The list of installed libraries" "${names}"
             "libconvnet.so;libconvnet.so.${major};libconvnet.so.${version}")
list(GET libraries 0 link)
file(REAL_PATH ${link} real)
cmake_path(GET real FILENAME name)
expect_equal("The file behind libconvnet.so" ${name} libconvnet.so.${version})
run(dynamic ${readelf} -d ${link})
string(REGEX MATCH "\\(SONAME\\)[^\n]*\\[(.*)\\]" soname "${dynamic}")
expect_equal("The SONAME" "${CMAKE_MATCH_1}" libconvnet.so.${major})

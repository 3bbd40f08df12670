# 64-bit Windows with Clang and the headers and libraries of MinGW-w64; tests run under Wine:
#   apt-get install clang lld mingw-w64 wine64
#   cmake -S . -B build/windows --toolchain native/toolchains/mingw-clang.cmake
set(CMAKE_SYSTEM_NAME Windows)
set(CMAKE_SYSTEM_PROCESSOR AMD64)
set(CMAKE_C_COMPILER clang)
set(CMAKE_C_COMPILER_TARGET x86_64-w64-windows-gnu)
set(CMAKE_CROSSCOMPILING_EMULATOR wine)

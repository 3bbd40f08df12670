/*
 * What C11 cannot say, for GCC and Clang, which includes clang-cl. No other file of the library
 * uses attributes or built-in functions of a compiler. #pragma GCC unroll is understood by both.
 */
#ifndef CN_COMPILER_H
#define CN_COMPILER_H

#define ALWAYS_INLINE static inline __attribute__((always_inline))

/* The loader calls the function when it unloads the library. */
#define AT_UNLOAD __attribute__((destructor))

/* Places objects of a type side by side, between the symbols __start_<section> and
 * __stop_<section>, where the format of object files has that. */
#if defined(__ELF__)
#define IN_SECTION(section_name, type) __attribute__((section(section_name), aligned(sizeof(type))))
#else
#define IN_SECTION(section_name, type)
#endif

/* Whether the optimiser knows the value. */
#define IS_CONSTANT(value) __builtin_constant_p(value)

/* Prefetches a line to the second-level cache, or to the first. */
#define PREFETCH_FAR(address) __builtin_prefetch(address, 0, 2)
#define PREFETCH_NEAR(address) __builtin_prefetch(address, 0, 3)

/* Whether the processor and the operating system support an extension of x86. The compiler's
 * runtime queried them when the library was loaded. */
#define CPU_SUPPORTS(name) __builtin_cpu_supports(name)

#endif
